-- What suppliers are listed, filtered and searched by.

ALTER TABLE suppliers
    ADD COLUMN status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'inactive'));

-- By name for people; bytes, so that the order does not depend on the database's locale.
CREATE INDEX suppliers_by_name ON suppliers (tenant_id, (lower(display_name) COLLATE "C"), supplier_id);
CREATE INDEX suppliers_by_country ON suppliers (tenant_id, country);
CREATE INDEX suppliers_by_industry ON suppliers (tenant_id, industry text_pattern_ops);

-- Search that forgives typing errors. Where the extension cannot be made, and in the locale C, where pg_trgm takes
-- only ASCII for letters, the server searches an index of its own (storage/likeness.py).
-- Accents do not count.
CREATE FUNCTION likeness_text(name text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT translate(
    lower(name),
    'àáâãäåçèéêëìíîïñòóôõöùúûüýÿāăąćĉċčďēĕėęěĝğġģĥĩīĭįĵķĺļľńņňōŏőŕŗřśŝşšţťũūŭůűųŵŷźżžșțøłđħı',
    'aaaaaaceeeeiiiinooooouuuuyyaaaccccdeeeeegggghiiiijklllnnnooorrrssssttuuuuuuwyzzzstoldhi'
)
$$;

DO $$
BEGIN
    IF (SELECT datctype IN ('C', 'POSIX') FROM pg_database WHERE datname = current_database()) THEN
        RETURN;
    END IF;
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    ALTER TABLE suppliers ADD COLUMN likeness_name text GENERATED ALWAYS AS (likeness_text(display_name)) STORED;
    CREATE INDEX suppliers_by_likeness ON suppliers USING gin (likeness_name gin_trgm_ops);
EXCEPTION
    WHEN feature_not_supported OR undefined_file OR undefined_object OR insufficient_privilege THEN
        RAISE NOTICE 'no pg_trgm: %', SQLERRM;
END
$$;

-- For the server's own index: what was changed since it last looked.
CREATE INDEX suppliers_by_change ON suppliers (tenant_id, updated_at);

-- A supplier has up to two entries: of rows from its own data, and of the others.
ALTER TABLE supplier_summaries ADD COLUMN own bytea NOT NULL;  -- u1, 1: from the supplier's own data (factor 0)
ALTER TABLE supplier_summaries ALTER COLUMN own SET STORAGE EXTERNAL;

-- By how good the data is.
CREATE TABLE grade_rollups (
    tenant_id integer NOT NULL,
    month     date NOT NULL,
    grade     smallint NOT NULL,  -- mean of the five scores, 1 (best) to 5
    rows      bigint NOT NULL,
    ug_co2e   numeric NOT NULL,   -- micrograms
    PRIMARY KEY (tenant_id, month, grade)
);

-- What the folded emissions of a supplier come to, of all periods. Exact integers, so that an upload can be taken out
-- again; what is shown and ordered by is made of them.
CREATE TABLE supplier_figures (
    tenant_id        integer NOT NULL,
    supplier_id      integer NOT NULL,
    emission_count   bigint NOT NULL,
    ug_co2e          numeric NOT NULL,           -- sum of the calculated values, micrograms
    ug_size          numeric NOT NULL,           -- sum of their sizes (a credit counts as much as a purchase)
    ug_own           numeric NOT NULL,           -- of these, what is calculated from the supplier's own data
    ug_scored        numeric NOT NULL,           -- sum of size x mean of the five scores
    currency         text NOT NULL DEFAULT '',   -- that most rows with money have (supplier_spend)
    spend            double precision,           -- in the currency
    carbon_intensity double precision,           -- kg CO2e of the rows with this money, per unit of it
    kg_co2e          double precision NOT NULL GENERATED ALWAYS AS (ug_co2e::double precision / 1e9) STORED,
    data_quality     double precision GENERATED ALWAYS AS
        (round(ug_scored / nullif(ug_size, 0), 9)::double precision) STORED,
    primary_share    double precision GENERATED ALWAYS AS
        (round(ug_own / nullif(ug_size, 0), 9)::double precision) STORED,
    PRIMARY KEY (tenant_id, supplier_id)
) WITH (fillfactor = 70);

CREATE INDEX supplier_figures_by_emissions ON supplier_figures (tenant_id, kg_co2e, supplier_id);
CREATE INDEX supplier_figures_by_intensity ON supplier_figures (tenant_id, carbon_intensity, supplier_id);

-- The money in them, by currency.
CREATE TABLE supplier_spend (
    tenant_id      integer NOT NULL,
    supplier_id    integer NOT NULL,
    currency       text NOT NULL,      -- ISO 4217
    emission_count bigint NOT NULL,
    micros         numeric NOT NULL,   -- sum of the quantities, millionths of the currency
    ug_co2e        numeric NOT NULL,   -- sum of the calculated values of these rows, micrograms
    PRIMARY KEY (tenant_id, supplier_id, currency)
) WITH (fillfactor = 70);

-- What folding has summed and the two tables do not have yet. A fold writes one row of columns, quickly; what several
-- folds say of a supplier is then written once.
CREATE TABLE supplier_figure_changes (
    tenant_id  integer NOT NULL,
    change_id  bigint GENERATED ALWAYS AS IDENTITY,
    rows       bigint NOT NULL,  -- how many emissions it adds or takes away
    n          integer NOT NULL, -- entries
    columns    bytea NOT NULL,   -- storage/supplier_figures.py
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, change_id)
);

ALTER TABLE supplier_figure_changes ALTER COLUMN columns SET STORAGE EXTERNAL;

-- Changes with the rollups.
ALTER TABLE tenants ADD COLUMN folds bigint NOT NULL DEFAULT 0;

-- For the dashboard. The predicates name no column that a batch changes, or its update would not be HOT.
CREATE INDEX uploads_open ON uploads (tenant_id, upload_id) WHERE state = 'open';
CREATE INDEX suppliers_inactive ON suppliers (tenant_id, supplier_id) WHERE status = 'inactive';
