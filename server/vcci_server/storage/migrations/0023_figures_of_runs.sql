-- What a run adds to the totals behind suppliers' figures, by supplier, currency and own: a tally as folding notes it
-- (storage/supplier_figures.py). NULL of runs that were made before.
ALTER TABLE run_differences ADD COLUMN figures bytea;
ALTER TABLE run_differences ALTER COLUMN figures SET STORAGE EXTERNAL;
