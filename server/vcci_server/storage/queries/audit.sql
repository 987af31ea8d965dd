-- name: append_audit_events
-- Locks the end of the tenant's chain until the transaction ends.
SELECT append_audit_events($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: ensure_audit_partitions
-- The first moments of the months that had no partition yet.
SELECT moment FROM unnest($1::timestamptz[]) AS moment WHERE ensure_audit_partition(moment);

-- name: select_audit_head
-- Index: audit_heads_pkey.
SELECT sequence, hash FROM audit_heads WHERE tenant_id = $1;

-- name: audited_tenants
SELECT tenant_id FROM audit_heads ORDER BY tenant_id;

-- name: list_audit_events
-- Index: audit_events_pkey of the months' partitions, backwards.
SELECT sequence, at, subject, roles, request_id, action, resource, reason, calls, before, after, hash
FROM audit_events
WHERE tenant_id = $1 AND sequence < $2 AND at >= $3 AND at < $4
    AND ($5::text = '' OR subject = $5)
    AND ($6::text = '' OR action = $6 OR starts_with(action, $6 || '.'))
    AND ($7::text = '' OR resource = $7 OR starts_with(resource, $7 || '/'))
    AND ($8::boolean IS NULL OR (reason <> '') = $8)
ORDER BY sequence DESC
LIMIT $9;

-- name: audit_chain
-- Index: audit_events_pkey of every partition.
SELECT sequence, at, subject, roles, request_id, action, resource, reason, calls, before, after, hash
FROM audit_events
WHERE tenant_id = $1 AND sequence > $2 AND sequence <= $3
ORDER BY sequence
LIMIT $4;
