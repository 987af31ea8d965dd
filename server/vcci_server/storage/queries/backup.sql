-- name: backup_tables
-- The tables with the columns that are stored, and the key. Partitions are read and written through their tables.
SELECT c.relname AS name, array_agg(a.attname::text ORDER BY a.attnum) AS columns, (
    SELECT array_agg(k.attname::text ORDER BY array_position(i.indkey::smallint[], k.attnum))
    FROM pg_index AS i JOIN pg_attribute AS k ON k.attrelid = c.oid AND k.attnum = ANY (i.indkey)
    WHERE i.indrelid = c.oid AND i.indisprimary
) AS key
FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND c.relname <> 'schema_migrations'
GROUP BY c.oid
ORDER BY c.relname;

-- name: backup_references
-- Which table refers to which other.
SELECT DISTINCT f.relname AS name, t.relname AS refers_to
FROM pg_constraint JOIN pg_class AS f ON f.oid = conrelid JOIN pg_class AS t ON t.oid = confrelid
WHERE contype = 'f' AND connamespace = current_schema()::regnamespace AND conparentid = 0 AND conrelid <> confrelid;

-- name: backup_sequences
-- The sequences that number rows, and the last number given: no less than any that the snapshot shows.
SELECT c.relname AS name, a.attname AS column,
    coalesce(pg_sequence_last_value(pg_get_serial_sequence(quote_ident(c.relname), a.attname)::regclass), 0) AS last
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attidentity <> '' AND NOT a.attisdropped
WHERE c.relnamespace = current_schema()::regnamespace AND NOT c.relispartition
ORDER BY c.relname;

-- name: backup_quarters
SELECT DISTINCT quarter FROM emission_segments WHERE $1::integer IS NULL OR tenant_id = $1 ORDER BY quarter;

-- name: backup_months
SELECT DISTINCT date_trunc('month', at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS month
FROM audit_events WHERE $1::integer IS NULL OR tenant_id = $1 ORDER BY month;

-- name: backup_rows
-- {columns}, {table} and {key}: of backup_tables. In the order of the key, so that the same rows are the same bytes.
SELECT {columns} FROM {table} WHERE {condition} ORDER BY {key};

-- name: backup_migrations
SELECT name FROM schema_migrations ORDER BY name;

-- name: lock_tenants
-- No other makes a tenant until the transaction ends.
LOCK TABLE tenants IN SHARE ROW EXCLUSIVE MODE;

-- name: go_on_from
-- The next number is behind $3, and behind those that were given here.
SELECT setval(
    sequence::regclass, greatest($3::bigint, coalesce(pg_sequence_last_value(sequence::regclass), 0), 1)
) FROM pg_get_serial_sequence(quote_ident($1), $2) AS sequence;

-- name: is_restricted
-- Whether row-level security counts for who asks.
SELECT row_security_active(quote_ident($1)::regclass);

-- name: free_owner
-- Until the transaction ends, or restrict_owner; the table is locked for others meanwhile.
ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY;

-- name: restrict_owner
ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
