-- name: insert_upload
-- Nothing is returned when the request id was used before: select_upload_by_request tells by whom.
INSERT INTO uploads (tenant_id, request_id, display_name, mode, allow_negative)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant_id, request_id) DO NOTHING
RETURNING *;

-- name: select_upload_by_request
-- Index: uploads_tenant_id_request_id_key.
SELECT * FROM uploads WHERE tenant_id = $1 AND request_id = $2;

-- name: select_upload
-- Index: uploads_pkey.
SELECT * FROM uploads WHERE tenant_id = $1 AND upload_id = $2;

-- name: lock_upload
-- Index: uploads_pkey. Waits for the writer's transactions.
SELECT * FROM uploads WHERE tenant_id = $1 AND upload_id = $2 FOR UPDATE;

-- name: list_uploads
-- Index: uploads_pkey, backwards.
SELECT * FROM uploads WHERE tenant_id = $1 AND upload_id < $2 ORDER BY upload_id DESC LIMIT $3;

-- name: open_upload
-- The new epoch fences whoever writes.
UPDATE uploads SET epoch = epoch + 1, updated_at = now()
WHERE tenant_id = $1 AND upload_id = $2
RETURNING *;

-- name: close_upload
-- The new epoch fences whoever writes.
UPDATE uploads SET state = $3, epoch = epoch + 1, updated_at = now()
WHERE tenant_id = $1 AND upload_id = $2
RETURNING *;

-- name: stored_rows
-- Index: uploads_pkey: some milliseconds for ten thousand uploads.
SELECT coalesce(sum(accepted_rows), 0)::bigint FROM uploads WHERE tenant_id = $1 AND state <> 'abandoned';

-- name: segments_of_groups
-- Index: emission_segments_pkey of every partition. The segments that hold lines of systems are among these.
SELECT merge_version, batch_offset, segment, quarter, totals FROM emission_segments
WHERE tenant_id = $1 AND upload_id = $2 AND run_id = 0 AND merged_into IS NULL
    AND "group" IS NOT NULL AND inputs IS NOT NULL;

-- name: lines_of_groups
-- Index: emission_segments_pkey of one partition.
SELECT n, quarter, supplier, category, method, period, "group", inputs FROM emission_segments
WHERE tenant_id = $1 AND upload_id = $2 AND run_id = 0
    AND merge_version = $3 AND batch_offset = $4 AND segment = $5 AND quarter = $6;

-- name: delete_segments
-- Index: emission_segments_pkey of every partition.
DELETE FROM emission_segments WHERE tenant_id = $1 AND upload_id = $2;

-- name: delete_row_errors
DELETE FROM row_errors WHERE tenant_id = $1 AND upload_id = $2;

-- name: list_row_errors
-- Index: row_errors_pkey, from the batch that holds row $3 on; width_bucket finds the place in it by bisection.
SELECT found.*
FROM row_errors AS batch
CROSS JOIN LATERAL width_bucket($3::bigint, batch.row_numbers) AS told
CROSS JOIN LATERAL unnest(
    batch.row_numbers[told + 1 : told + $4], batch.reasons[told + 1 : told + $4], batch.fields[told + 1 : told + $4],
    batch."values"[told + 1 : told + $4], batch.expected[told + 1 : told + $4],
    batch."references"[told + 1 : told + $4]
) AS found ("row", reason, field, value, expected, reference)
WHERE batch.tenant_id = $1 AND batch.upload_id = $2
    AND batch.batch_offset >= coalesce((
        SELECT max(earlier.batch_offset) FROM row_errors AS earlier
        WHERE earlier.tenant_id = $1 AND earlier.upload_id = $2 AND earlier.batch_offset <= $3
    ), 0)
ORDER BY batch.batch_offset, found."row"
LIMIT $4::integer;
