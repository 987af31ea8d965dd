-- Currency rates and price indices: immutable sets, the same contents are the same set.
CREATE TABLE price_sets (
    tenant_id     integer NOT NULL REFERENCES tenants,
    price_set_id  integer GENERATED ALWAYS AS IDENTITY,
    display_name  text NOT NULL,
    content_hash  text NOT NULL,
    base_currency text NOT NULL,                         -- of all its rates; empty without any
    rate_count    integer NOT NULL,
    index_count   integer NOT NULL,
    uid           uuid NOT NULL DEFAULT gen_random_uuid(),  -- tells sets apart over databases that share a cache
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, price_set_id),
    UNIQUE (tenant_id, content_hash)
);

CREATE TABLE prices (
    tenant_id    integer NOT NULL,
    price_set_id integer NOT NULL,
    kind         smallint NOT NULL,          -- PriceKind of the contract: 1 rate, 2 index
    currency     text NOT NULL,
    year         integer NOT NULL,
    month        integer NOT NULL,           -- 0: of the year
    value        double precision NOT NULL,  -- units of the currency per one of the base; points of an index
    source_note  text NOT NULL,
    PRIMARY KEY (tenant_id, price_set_id, kind, currency, year, month),
    FOREIGN KEY (tenant_id, price_set_id) REFERENCES price_sets
);

CREATE TABLE active_price_sets (
    tenant_id    integer PRIMARY KEY REFERENCES tenants,
    price_set_id integer NOT NULL,
    activated_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (tenant_id, price_set_id) REFERENCES price_sets
);
