-- Who changed what, and who was refused. The events of a tenant are a chain: numbers without gaps, and each has a hash
-- of itself and of the hash before it, so that what is removed or altered is found. docs/audit.md has the recipe.
CREATE TABLE audit_events (
    tenant_id  integer NOT NULL,      -- 0: of the service, where a call's tenant is not known
    sequence   bigint NOT NULL,       -- from 1
    at         timestamptz NOT NULL,
    subject    text NOT NULL,         -- empty: the service itself, or nobody who is known
    roles      text NOT NULL,         -- sorted, with blanks between
    request_id text NOT NULL,
    action     text NOT NULL,
    resource   text NOT NULL,
    reason     text NOT NULL,         -- of a refusal; empty: it was done
    calls      bigint NOT NULL,
    before     json,                  -- json, not jsonb: the hash is over the text
    after      json,
    hash       bytea NOT NULL,
    PRIMARY KEY (tenant_id, sequence, at)
) PARTITION BY RANGE (at);

-- The end of each chain. Appending locks it until the transaction ends, so it is the last that a transaction does.
CREATE TABLE audit_heads (
    tenant_id integer PRIMARY KEY,
    sequence  bigint NOT NULL DEFAULT 0,
    hash      bytea NOT NULL DEFAULT ''
) WITH (fillfactor = 50);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION vcci_append_only();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON audit_heads
    FOR EACH STATEMENT EXECUTE FUNCTION vcci_append_only();
CREATE TRIGGER forward_only BEFORE UPDATE ON audit_heads
    FOR EACH ROW WHEN (new.tenant_id <> old.tenant_id OR new.sequence <= old.sequence)
    EXECUTE FUNCTION vcci_append_only();

-- Makes the partition of a month if it is missing, and tells whether it was. A statement on a partition does not set
-- off its parent's triggers: it has its own.
CREATE FUNCTION ensure_audit_partition(moment timestamptz) RETURNS boolean LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    month timestamp := date_trunc('month', moment AT TIME ZONE 'UTC');
    partition text := to_char(month, '"audit_events_"YYYY"m"MM');
BEGIN
    IF to_regclass(partition) IS NOT NULL THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(x'766363690002'::bigint);  -- of whoever makes partitions
    IF to_regclass(partition) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE audit_events INCLUDING ALL)', partition);
    EXECUTE format(
        'ALTER TABLE audit_events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        partition, month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC'
    );
    EXECUTE format(
        'CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %I
            FOR EACH STATEMENT EXECUTE FUNCTION vcci_append_only()', partition
    );
    RETURN true;
END
$$;

-- Fields are put together with their lengths in front, so that no two events are the same text.
CREATE FUNCTION audit_field(field text) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT convert_to(octet_length(convert_to(field, 'UTF8')) || ':' || field, 'UTF8')
$$;

-- Adds events to a tenant's chain, that of the connection where it has one: it runs with the rights of the owner.
CREATE FUNCTION append_audit_events(
    tenant integer, subjects text[], roles text[], request_ids text[], actions text[], resources text[],
    reasons text[], calls bigint[], befores text[], afters text[]
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    head audit_heads;
    event record;
    moment timestamptz;
BEGIN
    IF tenant <> coalesce(nullif(current_setting('vcci.tenant', true), '')::integer, tenant) THEN
        RAISE EXCEPTION 'events of another tenant' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT * INTO head FROM audit_heads WHERE tenant_id = tenant FOR UPDATE;
    IF NOT found THEN
        INSERT INTO audit_heads (tenant_id) VALUES (tenant) ON CONFLICT DO NOTHING;
        SELECT * INTO head FROM audit_heads WHERE tenant_id = tenant FOR UPDATE;
    END IF;
    moment := clock_timestamp();
    PERFORM ensure_audit_partition(moment);
    FOR event IN
        SELECT * FROM unnest(subjects, roles, request_ids, actions, resources, reasons, calls, befores, afters)
            AS given (subject, roles, request_id, action, resource, reason, calls, before, after)
    LOOP
        head.sequence := head.sequence + 1;
        head.hash := sha256(
            head.hash || audit_field(tenant::text) || audit_field(head.sequence::text)
            || audit_field((extract(epoch FROM moment) * 1000000)::bigint::text)
            || audit_field(event.subject) || audit_field(event.roles) || audit_field(event.request_id)
            || audit_field(event.action) || audit_field(event.resource) || audit_field(event.reason)
            || audit_field(event.calls::text)
            || audit_field(coalesce(event.before, '')) || audit_field(coalesce(event.after, ''))
        );
        INSERT INTO audit_events VALUES (
            tenant, head.sequence, moment, event.subject, event.roles, event.request_id, event.action, event.resource,
            event.reason, event.calls, event.before::json, event.after::json, head.hash
        );
    END LOOP;
    UPDATE audit_heads SET sequence = head.sequence, hash = head.hash WHERE tenant_id = tenant;
END
$$;

SELECT ensure_audit_partition(now());
