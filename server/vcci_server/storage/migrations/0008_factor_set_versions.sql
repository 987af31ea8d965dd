-- A set that was made of another names it; `uid` tells sets apart over databases that share a cache.
ALTER TABLE factor_sets
    ADD COLUMN parent_set_id integer,
    ADD COLUMN version integer NOT NULL DEFAULT 1,  -- one more than the parent's
    ADD COLUMN uid uuid NOT NULL DEFAULT gen_random_uuid(),
    ADD FOREIGN KEY (tenant_id, parent_set_id) REFERENCES factor_sets;

CREATE FUNCTION vcci_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are only ever added', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;

-- Who activated which factor set, and when.
CREATE TABLE factor_set_activations (
    tenant_id       integer NOT NULL REFERENCES tenants,
    activation_id   bigint GENERATED ALWAYS AS IDENTITY,
    factor_set_id   integer NOT NULL,
    previous_set_id integer,             -- NULL: none was active
    subject         text NOT NULL,       -- of the caller's token; empty: the server itself
    request_id      text NOT NULL,       -- of the call; empty: the server itself
    activated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, activation_id),
    FOREIGN KEY (tenant_id, factor_set_id) REFERENCES factor_sets,
    FOREIGN KEY (tenant_id, previous_set_id) REFERENCES factor_sets
);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON factor_set_activations
    FOR EACH STATEMENT EXECUTE FUNCTION vcci_append_only();
