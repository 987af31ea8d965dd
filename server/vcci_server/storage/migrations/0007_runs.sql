-- Recalculations. A run restates what its uploads hold under another basis: its segments stand beside those that they
-- restate, under the same key but for run_id, and are read when the run has succeeded.
CREATE TABLE runs (
    tenant_id      integer NOT NULL REFERENCES tenants,
    run_id         bigint GENERATED ALWAYS AS IDENTITY,
    request_id     text NOT NULL,
    request        bytea NOT NULL,            -- RecalculateRequest of the contract
    factor_set_id  integer NOT NULL,
    price_set_id   integer NOT NULL,          -- 0: none
    state          text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'succeeded', 'cancelled', 'failed')),
    error          bytea,                     -- google.rpc.Status of a run that failed
    rows_total     bigint NOT NULL,
    rows_done      bigint NOT NULL DEFAULT 0,
    rejected_rows  bigint NOT NULL DEFAULT 0,
    open_uploads   integer NOT NULL,
    -- The key of the last segment that is done; it moves in the transaction that stores what it came to.
    done_upload    bigint NOT NULL DEFAULT 0,
    done_version   bigint NOT NULL DEFAULT 0,
    done_offset    bigint NOT NULL DEFAULT 0,
    done_segment   integer NOT NULL DEFAULT -1,
    forgotten      boolean NOT NULL DEFAULT false,  -- its operation was deleted
    swept          boolean NOT NULL DEFAULT false,  -- what a run that did not succeed has left is gone
    created_at     timestamptz NOT NULL DEFAULT now(),
    started_at     timestamptz,
    ended_at       timestamptz,
    PRIMARY KEY (tenant_id, run_id),
    UNIQUE (tenant_id, request_id)
);

CREATE INDEX runs_to_do ON runs (run_id) WHERE state = 'running';
CREATE INDEX runs_to_sweep ON runs (tenant_id, run_id) WHERE state IN ('cancelled', 'failed') AND NOT swept;

-- The uploads that a run restates, and what it changes of each: sums in columns (storage/run_sums.py), exact and signed.
CREATE TABLE run_uploads (
    tenant_id integer NOT NULL,
    run_id    bigint NOT NULL,
    upload_id bigint NOT NULL,
    rollups   bytea NOT NULL DEFAULT '',  -- by month, category, method and factor: what it adds to emission_rollups
    changes   bytea NOT NULL DEFAULT '',  -- by category and cause; cause 0 is the old value
    PRIMARY KEY (tenant_id, run_id, upload_id)
);

-- The changes by supplier, category and cause, of a range of suppliers (supplier_id >> 14).
CREATE TABLE run_differences (
    tenant_id integer NOT NULL,
    run_id    bigint NOT NULL,
    bucket    integer NOT NULL,
    upload_id bigint NOT NULL,
    changes   bytea NOT NULL,
    PRIMARY KEY (tenant_id, run_id, bucket, upload_id)
);

-- The rows of one segment that a run could not calculate; parallel arrays, as in row_errors.
CREATE TABLE run_row_errors (
    tenant_id     integer NOT NULL,
    run_id        bigint NOT NULL,
    upload_id     bigint NOT NULL,
    merge_version bigint NOT NULL,
    batch_offset  bigint NOT NULL,
    segment       integer NOT NULL,
    row_numbers   bigint[] NOT NULL,
    reasons       smallint[] NOT NULL,
    fields        text[] NOT NULL,
    "values"      text[] NOT NULL,
    expected      text[] NOT NULL,
    "references"  text[] NOT NULL,
    PRIMARY KEY (tenant_id, run_id, upload_id, merge_version, batch_offset, segment)
);

ALTER TABLE run_uploads ALTER COLUMN rollups SET STORAGE EXTERNAL, ALTER COLUMN changes SET STORAGE EXTERNAL;
ALTER TABLE run_differences ALTER COLUMN changes SET STORAGE EXTERNAL;
