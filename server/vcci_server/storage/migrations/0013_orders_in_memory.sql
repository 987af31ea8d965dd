-- With an index over what changes, each supplier that a fold speaks of is written again in every index of the table:
-- four fifths of the cost. The orders are kept in the server's memory (storage/supplier_orders.py).
DROP INDEX supplier_figures_by_emissions;
DROP INDEX supplier_figures_by_intensity;
ALTER TABLE supplier_figures SET (fillfactor = 50);

-- Changes with supplier_figures.
ALTER TABLE tenants ADD COLUMN figures bigint NOT NULL DEFAULT 0;
