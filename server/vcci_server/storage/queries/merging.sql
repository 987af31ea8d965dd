-- The segments of finalized, folded uploads are sorted by supplier into larger ones.

-- name: uploads_to_merge
-- Partial index: uploads_to_fold.
SELECT tenant_id, upload_id FROM uploads
WHERE state = 'finalized' AND NOT merged AND folded_rows = committed_rows
ORDER BY tenant_id, upload_id
LIMIT 100;

-- name: lock_upload_to_merge
-- Takes the upload's row, so that it is not abandoned meanwhile.
SELECT true FROM uploads
WHERE tenant_id = $1 AND upload_id = $2 AND state = 'finalized' AND NOT merged AND folded_rows = committed_rows
FOR NO KEY UPDATE;

-- name: quarter_to_merge
-- A quarter with more than one segment of one basis as ingested. Index: emission_segments_pkey of every partition.
SELECT quarter, factor_set_id, price_set_id, method_version FROM emission_segments
WHERE tenant_id = $1 AND upload_id = $2 AND run_id = 0 AND merge_version = 0 AND merged_into IS NULL
GROUP BY quarter, factor_set_id, price_set_id, method_version HAVING count(*) > 1
ORDER BY quarter, factor_set_id, price_set_id, method_version
LIMIT 1;

-- name: segments_to_merge
-- Index: emission_segments_pkey of the quarter's partition.
SELECT * FROM emission_segments
WHERE tenant_id = $1 AND upload_id = $2 AND run_id = 0 AND merge_version = 0 AND merged_into IS NULL AND quarter = $3
    AND factor_set_id = $4 AND price_set_id = $5 AND method_version = $6
ORDER BY batch_offset, segment;

-- name: lock_merges
-- So that versions are committed in their order: a reader that sees one sees all before it. Readers do not wait.
LOCK TABLE merges IN EXCLUSIVE MODE;

-- name: insert_merge
INSERT INTO merges (tenant_id, upload_id) VALUES ($1, $2) RETURNING merge_version;

-- name: mark_merged
-- Those up to the segment ($8, $9).
UPDATE emission_segments SET merged_into = $7
WHERE tenant_id = $1 AND upload_id = $2 AND run_id = 0 AND merge_version = 0 AND merged_into IS NULL AND quarter = $3
    AND factor_set_id = $4 AND price_set_id = $5 AND method_version = $6
    AND (batch_offset, segment) <= ($8::bigint, $9::integer);

-- name: finish_merging
UPDATE uploads SET merged = true WHERE tenant_id = $1 AND upload_id = $2;

-- name: merges_to_sweep
-- Partial index: merges_to_sweep.
SELECT merge_version FROM merges WHERE NOT swept AND merged_at < now() - $1::interval
ORDER BY merged_at
LIMIT 100;

-- name: mark_swept
UPDATE merges SET swept = true WHERE merge_version = $1 RETURNING tenant_id, upload_id;

-- name: delete_merged
-- Only segments as ingested are ever merged. Index: emission_segments_pkey of every partition.
DELETE FROM emission_segments
WHERE tenant_id = $1 AND upload_id = $2 AND run_id = 0 AND merge_version = 0 AND merged_into = $3;
