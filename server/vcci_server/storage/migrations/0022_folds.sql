-- Which rows came into the rollups when, by the number of the tenant's fold: what readers keep is brought up to date by
-- it (storage/standings.py). Where something was taken out of the rollups a number has no row.
CREATE TABLE folds (
    tenant_id integer NOT NULL,
    fold      bigint NOT NULL,
    upload_id bigint NOT NULL,
    start_row bigint NOT NULL,
    stop_row  bigint NOT NULL,
    PRIMARY KEY (tenant_id, fold)
);
