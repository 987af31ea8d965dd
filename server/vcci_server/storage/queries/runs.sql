-- Recalculations: the ledger of runs, what the leader does, and what a run came to.

-- name: insert_run
-- Nothing is returned when the request id was used before: select_run_by_request tells by which.
INSERT INTO runs (tenant_id, request_id, request, factor_set_id, price_set_id, rows_total, open_uploads)
VALUES ($1, $2, $3, $4, $5, 0, 0)
ON CONFLICT (tenant_id, request_id) DO NOTHING
RETURNING *;

-- name: insert_run_uploads
-- Those of finalized uploads: nothing is added to them any more.
INSERT INTO run_uploads (tenant_id, run_id, upload_id)
SELECT tenant_id, $2::bigint, upload_id FROM uploads
WHERE tenant_id = $1 AND state = 'finalized' AND ($3::bigint IS NULL OR upload_id = $3);

-- name: count_run
-- Rows of the segments that a run goes through. Index: emission_segments_pkey of the quarters' partitions.
UPDATE runs
SET rows_total = (
        SELECT coalesce(sum(s.n), 0)
        FROM run_uploads AS u
        JOIN emission_segments AS s ON s.tenant_id = u.tenant_id AND s.upload_id = u.upload_id AND s.run_id = 0
        WHERE u.tenant_id = $1 AND u.run_id = $2 AND s.merged_into IS NULL
            AND s.quarter >= $4::date AND s.quarter < $5::date
            AND (
                $6::integer[] IS NULL
                OR EXISTS (SELECT FROM unnest($6) AS id WHERE id BETWEEN s.supplier_min AND s.supplier_max)
            )
    ),
    open_uploads = (
        SELECT count(*) FROM uploads
        WHERE tenant_id = $1 AND state = 'open' AND committed_rows > 0 AND ($3::bigint IS NULL OR upload_id = $3)
    )
WHERE tenant_id = $1 AND run_id = $2
RETURNING *;

-- name: select_run_by_request
-- Index: runs_tenant_id_request_id_key.
SELECT * FROM runs WHERE tenant_id = $1 AND request_id = $2;

-- name: select_run
-- Index: runs_pkey.
SELECT * FROM runs WHERE tenant_id = $1 AND run_id = $2 AND deleted_at IS NULL;

-- name: list_runs
-- Index: runs_pkey, backwards. $4: also those whose operations were deleted.
SELECT * FROM runs WHERE tenant_id = $1 AND run_id < $2 AND ($4::boolean OR NOT forgotten) AND deleted_at IS NULL
ORDER BY run_id DESC LIMIT $3;

-- name: cancel_run
UPDATE runs SET state = 'cancelled', ended_at = now() WHERE tenant_id = $1 AND run_id = $2 AND state = 'running'
RETURNING run_id;

-- name: forget_operation
UPDATE runs SET forgotten = true WHERE tenant_id = $1 AND run_id = $2;

-- name: delete_run
-- Nothing is returned when it goes on: it is to be cancelled first.
UPDATE runs SET deleted_at = now() WHERE tenant_id = $1 AND run_id = $2 AND state <> 'running' RETURNING true;

-- name: runs_to_delete
-- Partial index: runs_to_delete.
SELECT tenant_id, run_id FROM runs WHERE deleted_at < now() - $1::interval ORDER BY deleted_at LIMIT 100;

-- name: drop_run
DELETE FROM runs WHERE tenant_id = $1 AND run_id = $2;

-- name: runs_to_do
-- Oldest first. Partial index: runs_to_do.
SELECT * FROM runs WHERE state = 'running' ORDER BY run_id LIMIT $1;

-- name: begin_run
UPDATE runs SET started_at = coalesce(started_at, now()) WHERE tenant_id = $1 AND run_id = $2;

-- name: next_run_upload
-- Index: run_uploads_pkey; uploads_pkey. Nothing of an upload that was abandoned meanwhile.
SELECT upload_id, u.merged FROM run_uploads JOIN uploads AS u USING (tenant_id, upload_id)
WHERE tenant_id = $1 AND run_id = $2 AND upload_id >= $3 AND u.state = 'finalized'
ORDER BY upload_id
LIMIT 1;

-- name: segments_to_restate
-- Of an upload that is merged, so that nothing of it changes any more, behind a key, in its order. Index:
-- emission_segments_pkey of the quarters' partitions.
SELECT * FROM emission_segments
WHERE tenant_id = $1 AND upload_id = $2 AND run_id = 0 AND merged_into IS NULL
    AND quarter >= $3::date AND quarter < $4::date
    AND (
        $5::integer[] IS NULL
        OR EXISTS (SELECT FROM unnest($5) AS id WHERE id BETWEEN supplier_min AND supplier_max)
    )
    AND (merge_version, batch_offset, segment) > ($6::bigint, $7::bigint, $8::integer)
ORDER BY merge_version, batch_offset, segment;

-- name: advance_run
-- The one line that makes a part be stored once: nothing is returned when the run is not at $3 to $6, since another
-- process was faster, or does not go on.
UPDATE runs
SET done_upload = $7, done_version = $8, done_offset = $9, done_segment = $10,
    rows_done = rows_done + $11, rejected_rows = rejected_rows + $12
WHERE tenant_id = $1 AND run_id = $2 AND state = 'running'
    AND (done_upload, done_version, done_offset, done_segment) = ($3::bigint, $4::bigint, $5::bigint, $6::integer)
RETURNING true;

-- name: lock_run_uploads
-- Takes the rows of the uploads, so that they are not abandoned meanwhile; those that were are not returned.
SELECT upload_id FROM uploads
WHERE tenant_id = $1 AND upload_id = ANY ($2::bigint[]) AND state = 'finalized'
ORDER BY upload_id
FOR KEY SHARE;

-- name: run_upload_sums
SELECT rollups, changes FROM run_uploads WHERE tenant_id = $1 AND run_id = $2 AND upload_id = $3;

-- name: put_run_upload_sums
UPDATE run_uploads SET rollups = $4, changes = $5 WHERE tenant_id = $1 AND run_id = $2 AND upload_id = $3;

-- name: run_differences_of
SELECT changes, figures FROM run_differences WHERE tenant_id = $1 AND run_id = $2 AND bucket = $3 AND upload_id = $4;

-- name: put_run_differences
INSERT INTO run_differences (tenant_id, run_id, bucket, upload_id, changes, figures) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant_id, run_id, bucket, upload_id) DO UPDATE SET changes = excluded.changes, figures = excluded.figures;

-- name: insert_run_row_errors
INSERT INTO run_row_errors
    (tenant_id, run_id, upload_id, merge_version, batch_offset, segment,
    row_numbers, reasons, fields, "values", expected, "references")
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12);

-- name: end_run
-- Only from where it is done: what another process stores meanwhile would be lost.
UPDATE runs SET state = $3, error = $4, ended_at = now()
WHERE tenant_id = $1 AND run_id = $2 AND state = 'running'
    AND (done_upload, done_version, done_offset, done_segment) = ($5::bigint, $6::bigint, $7::bigint, $8::integer)
RETURNING run_id;

-- name: runs_to_sweep
-- Partial index: runs_to_sweep.
SELECT tenant_id, run_id FROM runs WHERE state IN ('cancelled', 'failed') AND NOT swept
ORDER BY tenant_id, run_id
LIMIT 100;

-- name: delete_run_segments
-- Index: emission_segments_pkey of every partition, upload by upload.
DELETE FROM emission_segments AS s USING run_uploads AS u
WHERE u.tenant_id = $1 AND u.run_id = $2
    AND s.tenant_id = $1 AND s.upload_id = u.upload_id AND s.run_id = $2;

-- name: delete_run_sums
WITH differences AS (
    DELETE FROM run_differences WHERE tenant_id = $1 AND run_id = $2
), errors AS (
    DELETE FROM run_row_errors WHERE tenant_id = $1 AND run_id = $2
), uploads AS (
    DELETE FROM run_uploads WHERE tenant_id = $1 AND run_id = $2
)
UPDATE runs SET swept = true WHERE tenant_id = $1 AND run_id = $2;

-- name: delete_run_sums_of_upload
-- Of every run; an upload that is abandoned.
WITH differences AS (
    DELETE FROM run_differences WHERE tenant_id = $1 AND upload_id = $2
), errors AS (
    DELETE FROM run_row_errors WHERE tenant_id = $1 AND upload_id = $2
)
DELETE FROM run_uploads WHERE tenant_id = $1 AND upload_id = $2;

-- name: run_changes
-- Index: run_uploads_pkey.
SELECT changes FROM run_uploads WHERE tenant_id = $1 AND run_id = $2 ORDER BY upload_id;

-- name: run_rollups
-- Index: run_uploads_pkey.
SELECT rollups FROM run_uploads WHERE tenant_id = $1 AND run_id = $2 ORDER BY upload_id;

-- name: next_run_bucket
-- Index: run_differences_pkey.
SELECT min(bucket) FROM run_differences WHERE tenant_id = $1 AND run_id = $2 AND bucket >= $3;

-- name: run_differences_in
-- Index: run_differences_pkey.
SELECT changes FROM run_differences WHERE tenant_id = $1 AND run_id = $2 AND bucket = $3 ORDER BY upload_id;

-- name: run_figures
-- Index: run_differences_pkey.
SELECT figures FROM run_differences WHERE tenant_id = $1 AND run_id = $2 ORDER BY bucket, upload_id;

-- name: list_run_row_errors
-- Index: run_row_errors_pkey, from the segment that holds the last row shown.
SELECT errors.upload_id, errors.merge_version, errors.batch_offset, errors.segment, found.*
FROM run_row_errors AS errors
CROSS JOIN LATERAL unnest(
    errors.row_numbers, errors.reasons, errors.fields, errors."values", errors.expected, errors."references"
) WITH ORDINALITY AS found ("row", reason, field, value, expected, reference, place)
WHERE errors.tenant_id = $1 AND errors.run_id = $2
    AND (errors.upload_id, errors.merge_version, errors.batch_offset, errors.segment)
        >= ($3::bigint, $4::bigint, $5::bigint, $6::integer)
    AND (errors.upload_id, errors.merge_version, errors.batch_offset, errors.segment, found.place)
        > ($3::bigint, $4::bigint, $5::bigint, $6::integer, $7::bigint)
ORDER BY errors.upload_id, errors.merge_version, errors.batch_offset, errors.segment, found.place
LIMIT $8;
