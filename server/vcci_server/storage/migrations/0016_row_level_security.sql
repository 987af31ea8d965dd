-- Two roles that own nothing: calls read as vcci_reader and write as vcci_writer, and see the rows of the tenant in the
-- setting vcci.tenant and no others. Who owns the tables does the work that is of no tenant: merging, folding.

DO $$
DECLARE
    role text;
    -- Since 16, who makes a role may grant it, but is not one who may take it on.
    taking text := CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET' END;
BEGIN
    FOREACH role IN ARRAY ARRAY['vcci_reader', 'vcci_writer'] LOOP
        BEGIN
            IF to_regrole(role) IS NULL THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', role);
            END IF;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;  -- another database of this server makes it, too
        END;
        IF NOT pg_has_role(current_user, role, taking) THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', role);
        END IF;
        IF NOT has_schema_privilege(role, current_schema(), 'USAGE') THEN
            EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), role);
        END IF;
    END LOOP;
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION '% may not make roles: have an administrator run "CREATE ROLE vcci_reader NOLOGIN; '
            'CREATE ROLE vcci_writer NOLOGIN; GRANT vcci_reader, vcci_writer TO %;"', current_user, current_user
            USING ERRCODE = 'insufficient_privilege';
END
$$;

-- COPY FROM is refused under row-level security, and a partition named as such is not under its parent's: so segments
-- are read through emission_segments and stored through its one partition, which the writer may only insert into.
ALTER TABLE emission_segments RENAME TO emission_segment_store;
ALTER TABLE emission_segment_store RENAME CONSTRAINT emission_segments_pkey TO emission_segment_store_pkey;
CREATE TABLE emission_segments (LIKE emission_segment_store INCLUDING DEFAULTS INCLUDING STORAGE)
    PARTITION BY RANGE (quarter);
ALTER TABLE emission_segments ATTACH PARTITION emission_segment_store FOR VALUES FROM (MINVALUE) TO (MAXVALUE);
ALTER TABLE emission_segments
    ADD PRIMARY KEY (tenant_id, upload_id, run_id, merge_version, batch_offset, segment, quarter);
GRANT INSERT ON emission_segment_store TO vcci_writer;

CREATE OR REPLACE FUNCTION ensure_segment_partition(first_day date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    partition text := to_char(first_day, '"emission_segments_"YYYY"q"Q');
BEGIN
    IF to_regclass(partition) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE emission_segment_store INCLUDING ALL)', partition);
    EXECUTE format(
        'ALTER TABLE emission_segment_store ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        partition, first_day, (first_day + interval '3 months')::date
    );
    RETURN true;
END
$$;

-- An index serves under row-level security where the comparison is leakproof: that of texts is, lower() is not.
ALTER TABLE suppliers ADD COLUMN sort_name text COLLATE "C" GENERATED ALWAYS AS (lower(display_name)) STORED;
DROP INDEX suppliers_by_name;
CREATE INDEX suppliers_by_name ON suppliers (tenant_id, sort_name, supplier_id);

-- Nor is likeness: so this looks as the owner, and where a tenant is set at that tenant's suppliers only.
DO $$
BEGIN
    IF to_regclass('suppliers_by_likeness') IS NOT NULL THEN
        CREATE FUNCTION suppliers_like(tenant integer, asked text) RETURNS TABLE (supplier_id integer, likeness double precision)
        LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $body$
        BEGIN
            RETURN QUERY SELECT s.supplier_id, word_similarity(asked, s.likeness_name)::double precision
            FROM suppliers AS s
            WHERE s.tenant_id = tenant AND asked <% s.likeness_name
                AND tenant = coalesce(nullif(current_setting('vcci.tenant', true), '')::integer, tenant);
        END
        $body$;
    END IF;
END
$$;

-- When the oldest transaction began; a role sees only its own in pg_stat_activity.
CREATE FUNCTION oldest_transaction() RETURNS timestamptz LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
SELECT coalesce(min(xact_start), now()) FROM pg_stat_activity WHERE datname = current_database()
$$;

-- Puts every table that has a tenant_id, and is not so yet, under row-level security: called after all migrations.
CREATE FUNCTION protect_tenant_tables() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    kept regclass;
    changes text;
BEGIN
    FOR kept IN
        SELECT c.oid FROM pg_class AS c
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
            AND NOT c.relispartition AND NOT c.relforcerowsecurity
    LOOP
        EXECUTE format('GRANT USAGE ON ALL SEQUENCES IN SCHEMA %I TO vcci_writer', current_schema());
        -- Tenants are made by the service, and events of the audit are appended by a function.
        changes := CASE
            WHEN kept::text IN ('audit_events', 'audit_heads') THEN ''
            WHEN kept::text = 'tenants' THEN ', UPDATE'
            ELSE ', INSERT, UPDATE, DELETE'
        END;
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', kept);
        EXECUTE format('CREATE POLICY service ON %s TO CURRENT_USER USING (true) WITH CHECK (true)', kept);
        EXECUTE format(
            'CREATE POLICY tenant ON %s TO vcci_reader, vcci_writer'
            ' USING (tenant_id = current_setting(''vcci.tenant'')::integer)', kept
        );
        EXECUTE format('GRANT SELECT ON %s TO vcci_reader', kept);
        EXECUTE format('GRANT SELECT%s ON %s TO vcci_writer', changes, kept);
    END LOOP;
END
$$;
