-- name: hold_upload
-- Nothing is returned when the writer may not write. Else nobody takes the upload over until this transaction ends, so
-- that segments of two writers are never under way at once; the same writer's transactions do not wait for each other.
-- Index: uploads_pkey.
SELECT 1 FROM uploads
WHERE tenant_id = $1 AND upload_id = $2 AND epoch = $3 AND state = 'open'
FOR KEY SHARE;

-- name: advance_upload
-- The one line that gives resume, de-duplication and fencing; nothing is returned when the writer is not at $4, or may
-- not write. Index: uploads_pkey; HOT.
UPDATE uploads
SET committed_rows = committed_rows + $5,
    accepted_rows = accepted_rows + $6,
    rejected_rows = rejected_rows + $7,
    ug_co2e = ug_co2e + $8,
    updated_at = now()
WHERE tenant_id = $1 AND upload_id = $2 AND epoch = $3 AND committed_rows = $4 AND state = 'open'
RETURNING committed_rows;

-- name: insert_row_errors
INSERT INTO row_errors
    (tenant_id, upload_id, batch_offset, row_numbers, reasons, fields, "values", expected, "references")
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);
