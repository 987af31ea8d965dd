-- Everything is keyed by tenant first, so that the schema can be distributed by tenant.

CREATE TABLE tenants (
    tenant_id   integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    name        text NOT NULL UNIQUE,
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE suppliers (
    tenant_id    integer NOT NULL REFERENCES tenants,
    supplier_id  integer GENERATED ALWAYS AS IDENTITY,
    code         text NOT NULL,
    display_name text NOT NULL DEFAULT '',
    country      text NOT NULL DEFAULT '',
    industry     text NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, supplier_id),
    UNIQUE (tenant_id, code)
);

-- Immutable; the same contents are the same set.
CREATE TABLE factor_sets (
    tenant_id     integer NOT NULL REFERENCES tenants,
    factor_set_id integer GENERATED ALWAYS AS IDENTITY,
    display_name  text NOT NULL,
    content_hash  text NOT NULL,
    factor_count  integer NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, factor_set_id),
    UNIQUE (tenant_id, content_hash)
);

CREATE TABLE emission_factors (
    tenant_id     integer NOT NULL,
    factor_id     integer GENERATED ALWAYS AS IDENTITY,
    factor_set_id integer NOT NULL,
    source        text NOT NULL,
    code          text NOT NULL,
    display_name  text NOT NULL,
    region        text NOT NULL,
    year          integer NOT NULL,
    unit          text NOT NULL,
    kg_co2e       double precision NOT NULL,
    gases         jsonb NOT NULL DEFAULT '{}',
    gwp_set       text NOT NULL,
    gsd2          double precision NOT NULL,
    price_year    integer NOT NULL,
    price_basis   text NOT NULL,
    margins       text NOT NULL,
    source_note   text NOT NULL,
    PRIMARY KEY (tenant_id, factor_id),
    UNIQUE (tenant_id, factor_set_id, source, code, region, year),
    FOREIGN KEY (tenant_id, factor_set_id) REFERENCES factor_sets
);

CREATE TABLE active_factor_sets (
    tenant_id     integer PRIMARY KEY REFERENCES tenants,
    factor_set_id integer NOT NULL,
    activated_at  timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (tenant_id, factor_set_id) REFERENCES factor_sets
);

-- The ledger. `committed_rows` moves in the transaction that stores the rows, under `epoch`: that one line gives
-- resume, de-duplication and fencing. `folded_rows` is how far the rollups have counted it.
CREATE TABLE uploads (
    tenant_id      integer NOT NULL REFERENCES tenants,
    upload_id      bigint GENERATED ALWAYS AS IDENTITY,
    request_id     text NOT NULL,
    display_name   text NOT NULL DEFAULT '',
    mode           text NOT NULL CHECK (mode IN ('committed', 'pending')),
    allow_negative boolean NOT NULL DEFAULT false,
    state          text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'finalized', 'abandoned')),
    epoch          bigint NOT NULL DEFAULT 0,
    committed_rows bigint NOT NULL DEFAULT 0,
    accepted_rows  bigint NOT NULL DEFAULT 0,
    rejected_rows  bigint NOT NULL DEFAULT 0,
    folded_rows    bigint NOT NULL DEFAULT 0,
    merged         boolean NOT NULL DEFAULT false,
    ug_co2e        numeric NOT NULL DEFAULT 0,  -- micrograms: exact, whatever the order
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, upload_id),
    UNIQUE (tenant_id, request_id)
) WITH (fillfactor = 50);  -- every batch updates its row: leave room for HOT

-- Merged uploads are folded. The predicate names no column that a batch changes, or its update would not be HOT.
CREATE INDEX uploads_to_fold ON uploads (tenant_id, upload_id) WHERE state <> 'abandoned' AND NOT merged;

-- The rejected rows of one batch; parallel arrays, in row order.
CREATE TABLE row_errors (
    tenant_id    integer NOT NULL,
    upload_id    bigint NOT NULL,
    batch_offset bigint NOT NULL,
    row_numbers  bigint[] NOT NULL,
    reasons      smallint[] NOT NULL,  -- ErrorReason of the contract
    fields       text[] NOT NULL,
    "values"     text[] NOT NULL,
    expected     text[] NOT NULL,
    "references" text[] NOT NULL,
    PRIMARY KEY (tenant_id, upload_id, batch_offset)
);

-- Emissions as columns: one row holds a few thousand emissions of one upload and one quarter, sorted by supplier
-- and row. docs/storage.md explains the form. Columns are little-endian and fixed-width.
CREATE TABLE emission_segments (
    tenant_id     integer NOT NULL,
    quarter       date NOT NULL,             -- first day of the quarter of the reporting periods
    upload_id     bigint NOT NULL,
    run_id        bigint NOT NULL DEFAULT 0, -- 0: as ingested; else the run that calculated it again
    merge_version bigint NOT NULL,           -- 0: as written; else the merge that wrote it
    batch_offset  bigint NOT NULL,
    segment       integer NOT NULL,
    n             integer NOT NULL,
    supplier_min  integer NOT NULL,
    supplier_max  integer NOT NULL,
    row_min       bigint NOT NULL,
    row_max       bigint NOT NULL,
    factor_set_id integer NOT NULL,
    price_set_id  integer NOT NULL DEFAULT 0,   -- 0: no prices
    method_version smallint NOT NULL DEFAULT 1,  -- of the registry of methods
    ug_co2e       numeric NOT NULL,          -- micrograms: exact
    units         text[] NOT NULL,           -- dictionary of the column unit
    totals        bytea NOT NULL,            -- by category and method: rows and micrograms (engine: segment_codec.py)
    input_hash    bytea NOT NULL,            -- SHA-256 of what kg_co2e and sigma are calculated from (engine: input_hash.py)
    row           bytea NOT NULL,            -- u4, row number within the upload
    supplier      bytea NOT NULL,            -- i4, suppliers.supplier_id, ascending
    category      bytea NOT NULL,            -- u1
    method        bytea NOT NULL,            -- u1
    period        bytea NOT NULL,            -- u1, days since the first day of the quarter
    quantity      bytea NOT NULL,            -- f8
    unit          bytea NOT NULL,            -- u2, index into units
    factor        bytea NOT NULL,            -- u4, emission_factors.factor_id; 0: the supplier's own, or reported
    quality       bytea NOT NULL,            -- u2, five scores of three bits, reliability highest
    kg_co2e       bytea NOT NULL,            -- f8
    sigma         bytea NOT NULL,            -- f4, ln of the geometric standard deviation
    notices       bytea NOT NULL,            -- u2, bit n is Notice n of the contract
    "group"       bytea,                     -- strings: u4 end offsets, then UTF-8; NULL: none
    reference     bytea,                     -- likewise
    inputs        bytea,                     -- named further inputs (engine: segment_codec.py); NULL: none
    merged_into   bigint,                    -- the merge that replaced it; kept for an hour
    PRIMARY KEY (tenant_id, upload_id, run_id, merge_version, batch_offset, segment, quarter)
) PARTITION BY RANGE (quarter);

ALTER TABLE emission_segments
    ALTER COLUMN totals SET STORAGE EXTERNAL,
    ALTER COLUMN row SET STORAGE EXTERNAL, ALTER COLUMN supplier SET STORAGE EXTERNAL,
    ALTER COLUMN category SET STORAGE EXTERNAL, ALTER COLUMN method SET STORAGE EXTERNAL,
    ALTER COLUMN period SET STORAGE EXTERNAL, ALTER COLUMN quantity SET STORAGE EXTERNAL,
    ALTER COLUMN unit SET STORAGE EXTERNAL, ALTER COLUMN factor SET STORAGE EXTERNAL,
    ALTER COLUMN quality SET STORAGE EXTERNAL, ALTER COLUMN kg_co2e SET STORAGE EXTERNAL,
    ALTER COLUMN sigma SET STORAGE EXTERNAL, ALTER COLUMN notices SET STORAGE EXTERNAL,
    ALTER COLUMN "group" SET STORAGE EXTERNAL, ALTER COLUMN reference SET STORAGE EXTERNAL,
    ALTER COLUMN inputs SET STORAGE EXTERNAL;

-- The merges done, by the leader alone: a reader pins the newest and sees the segments that were alive at it.
CREATE TABLE merges (
    merge_version bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    tenant_id     integer NOT NULL,
    upload_id     bigint NOT NULL,
    merged_at     timestamptz NOT NULL DEFAULT now()
);

-- Folded from the segments in the background; exact integers, so that folding can be undone and order does not
-- matter. Factor 0 is the suppliers' own.
CREATE TABLE emission_rollups (
    tenant_id     integer NOT NULL,
    month         date NOT NULL,
    category      smallint NOT NULL,
    method        smallint NOT NULL,
    factor_id     integer NOT NULL,
    rows          bigint NOT NULL,
    ug_co2e       numeric NOT NULL,   -- sum of the calculated values, micrograms
    ug_co2e_mean  numeric NOT NULL,   -- sum of the lines' means without the factor's part, micrograms
    variance      numeric NOT NULL,   -- sum of the lines' variances without the factor's part, 2^-40 kg2
    PRIMARY KEY (tenant_id, month, category, method, factor_id)
) WITH (fillfactor = 70);

-- By supplier and quarter, in the same columnar form; suppliers ascending.
CREATE TABLE supplier_summaries (
    tenant_id integer NOT NULL,
    quarter   date NOT NULL,
    n         integer NOT NULL,
    supplier  bytea NOT NULL,  -- i4
    rows      bytea NOT NULL,  -- i8
    ug_high   bytea NOT NULL,  -- i8, sum of the calculated values: ug_high * 2^32 + ug_low micrograms
    ug_low    bytea NOT NULL,  -- i8, 0 to 2^32 - 1
    PRIMARY KEY (tenant_id, quarter)
);

ALTER TABLE supplier_summaries
    ALTER COLUMN supplier SET STORAGE EXTERNAL, ALTER COLUMN rows SET STORAGE EXTERNAL,
    ALTER COLUMN ug_high SET STORAGE EXTERNAL, ALTER COLUMN ug_low SET STORAGE EXTERNAL;

-- Single calculations that were kept: the same request is stored once.
CREATE TABLE kept_calculations (
    tenant_id  integer NOT NULL,
    request_id text NOT NULL,
    upload_id  bigint NOT NULL,
    first_row  bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, request_id)
);
