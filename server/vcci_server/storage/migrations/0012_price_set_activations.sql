-- Who made which price set the active one, or left none active, and when.
CREATE TABLE price_set_activations (
    tenant_id       integer NOT NULL REFERENCES tenants,
    activation_id   bigint GENERATED ALWAYS AS IDENTITY,
    price_set_id    integer,             -- NULL: none is active any more
    previous_set_id integer,             -- NULL: none was active
    subject         text NOT NULL,       -- of the caller's token; empty: the server itself
    request_id      text NOT NULL,       -- of the call; empty: the server itself
    activated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, activation_id),
    FOREIGN KEY (tenant_id, price_set_id) REFERENCES price_sets,
    FOREIGN KEY (tenant_id, previous_set_id) REFERENCES price_sets
);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON price_set_activations
    FOR EACH STATEMENT EXECUTE FUNCTION vcci_append_only();
