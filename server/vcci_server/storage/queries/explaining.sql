-- Finding one stored emission, and what it was calculated with.

-- name: segments_with_row
-- Of an upload that is seen: the segments of one batch, or of the merge that took it, by what rows they may hold.
-- Index: emission_segments_pkey of every partition.
SELECT s.merge_version, s.batch_offset, s.segment, s.quarter, s.row
FROM emission_segments AS s
JOIN uploads AS u USING (tenant_id, upload_id)
WHERE s.tenant_id = $1 AND s.upload_id = $2 AND s.run_id = 0 AND s.merged_into IS NULL
    AND $3::bigint BETWEEN s.row_min AND s.row_max
    AND u.state <> 'abandoned' AND (u.mode = 'committed' OR u.state = 'finalized');

-- name: whole_segment
-- Index: emission_segments_pkey of one partition.
SELECT * FROM emission_segments
WHERE tenant_id = $1 AND upload_id = $2 AND run_id = $7
    AND merge_version = $3 AND batch_offset = $4 AND segment = $5 AND quarter = $6;

-- name: supplier_of_row
-- Index: suppliers_pkey.
SELECT code, display_name, country FROM suppliers WHERE tenant_id = $1 AND supplier_id = $2;

-- name: factors_of_key
-- The factor $3 and those of the same key in its set. Index: the unique one over set, source, code, region, year.
SELECT * FROM emission_factors
WHERE tenant_id = $1 AND factor_set_id = $2
    AND (source, code) = (
        SELECT source, code FROM emission_factors WHERE tenant_id = $1 AND factor_set_id = $2 AND factor_id = $3::bigint
    )
ORDER BY region, year;
