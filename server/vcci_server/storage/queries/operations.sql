-- Long-running operations, but for recalculations. Their responses may be large, and are read one by one.

-- name: insert_operation
-- Nothing is returned when the request id was used before, or when $5 operations of the tenant go on.
INSERT INTO operations (tenant_id, request_id, subject, task)
SELECT $1, $2, $3, $4
WHERE (SELECT count(*) FROM operations WHERE tenant_id = $1 AND state = 'running') < $5
ON CONFLICT (tenant_id, request_id) DO NOTHING
RETURNING tenant_id, operation_id, request_id, subject, task, state, step, done, total, error, created_at, started_at,
    ended_at;

-- name: select_operation_by_request
-- Index: operations_tenant_id_request_id_key.
SELECT tenant_id, operation_id, request_id, subject, task, state, step, done, total, error, created_at, started_at,
    ended_at
FROM operations WHERE tenant_id = $1 AND request_id = $2;

-- name: select_operation
-- Index: operations_pkey.
SELECT tenant_id, operation_id, request_id, subject, task, state, step, done, total, error, created_at, started_at,
    ended_at
FROM operations WHERE tenant_id = $1 AND operation_id = $2;

-- name: list_operations
-- Index: operations_pkey, backwards.
SELECT tenant_id, operation_id, request_id, subject, task, state, step, done, total, error, created_at, started_at,
    ended_at
FROM operations WHERE tenant_id = $1 AND operation_id < $2 ORDER BY operation_id DESC LIMIT $3;

-- name: operation_response
-- Index: operations_pkey.
SELECT response FROM operations WHERE tenant_id = $1 AND operation_id = $2;

-- name: cancel_operation
UPDATE operations SET state = 'cancelled', ended_at = now()
WHERE tenant_id = $1 AND operation_id = $2 AND state = 'running'
RETURNING true;

-- name: delete_operation
DELETE FROM operations WHERE tenant_id = $1 AND operation_id = $2 RETURNING true;

-- name: operations_to_do
-- Those that are under way ($2) first, then the oldest of each tenant, so that one tenant's do not keep back another's.
-- Partial index: operations_to_do.
SELECT tenant_id, operation_id, request_id, subject, task, state, step, done, total, error, created_at, started_at,
    ended_at
FROM operations WHERE state = 'running'
ORDER BY operation_id = ANY ($2::bigint[]) DESC,
    row_number() OVER (PARTITION BY tenant_id ORDER BY operation_id), operation_id
LIMIT $1;

-- name: begin_operation
-- Returns how many seconds ago it began first.
UPDATE operations SET started_at = coalesce(started_at, now()) WHERE tenant_id = $1 AND operation_id = $2
RETURNING extract(epoch FROM now() - started_at)::float8;

-- name: note_progress
UPDATE operations SET step = $3, done = $4, total = $5
WHERE tenant_id = $1 AND operation_id = $2 AND state = 'running';

-- name: end_operation
-- One that was cancelled meanwhile stays so.
UPDATE operations SET state = $3, error = $4, response = $5, ended_at = now()
WHERE tenant_id = $1 AND operation_id = $2 AND state = 'running';
