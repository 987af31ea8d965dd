-- What readers ask of the segments. A reader pins the newest merge version; the segments alive at it are its own,
-- whatever is merged meanwhile.

-- name: begin_snapshot
-- Planning a scan anew for each value costs 15 ms with a dozen partitions; the general plan is as good, and kept.
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL plan_cache_mode = force_generic_plan;

-- name: pin_version
SELECT coalesce(max(merge_version), 0) FROM merges;

-- name: version_is_swept
-- Whether segments that were alive at version $1 are deleted.
SELECT EXISTS (SELECT FROM merges WHERE merge_version > $1 AND swept);

-- name: scan_segments
-- The segments alive at version $2, in the order of the primary key, which every partition's index has: a merge of
-- index scans, no sort. A column that is not in $3 is not fetched.
SELECT
    s.upload_id, s.merge_version, s.batch_offset, s.segment, s.quarter, s.n, s.units,
    CASE WHEN 'row' = ANY ($3::text[]) THEN s.row END AS row,
    CASE WHEN 'supplier' = ANY ($3) THEN s.supplier END AS supplier,
    CASE WHEN 'category' = ANY ($3) THEN s.category END AS category,
    CASE WHEN 'method' = ANY ($3) THEN s.method END AS method,
    CASE WHEN 'period' = ANY ($3) THEN s.period END AS period,
    CASE WHEN 'quantity' = ANY ($3) THEN s.quantity END AS quantity,
    CASE WHEN 'unit' = ANY ($3) THEN s.unit END AS unit,
    CASE WHEN 'factor' = ANY ($3) THEN s.factor END AS factor,
    CASE WHEN 'quality' = ANY ($3) THEN s.quality END AS quality,
    CASE WHEN 'kg_co2e' = ANY ($3) THEN s.kg_co2e END AS kg_co2e,
    CASE WHEN 'sigma' = ANY ($3) THEN s.sigma END AS sigma,
    CASE WHEN 'notices' = ANY ($3) THEN s.notices END AS notices,
    CASE WHEN 'group' = ANY ($3) THEN s."group" END AS "group",
    CASE WHEN 'reference' = ANY ($3) THEN s.reference END AS reference,
    CASE WHEN 'inputs' = ANY ($3) THEN s.inputs END AS inputs
FROM emission_segments AS s
JOIN uploads AS u USING (tenant_id, upload_id)
WHERE s.tenant_id = $1 AND s.run_id = 0
    AND s.merge_version <= $2 AND (s.merged_into IS NULL OR s.merged_into > $2)
    AND u.state <> 'abandoned' AND (u.mode = 'committed' OR u.state = 'finalized')
    AND s.upload_id <= $4::bigint  -- the last upload to read
    AND s.quarter >= $5::date AND s.quarter < $6::date
    AND (
        $7::integer[] IS NULL
        OR EXISTS (SELECT FROM unnest($7) AS id WHERE id BETWEEN s.supplier_min AND s.supplier_max)
    )
    AND (s.upload_id, s.merge_version, s.batch_offset, s.segment, s.quarter)
        > ($8::bigint, $9::bigint, $10::bigint, $11::integer, $12::date)
ORDER BY s.upload_id, s.merge_version, s.batch_offset, s.segment, s.quarter;

-- name: scan_segments_as_of
-- The same segments, with what the run $13 has in their place. Index: emission_segments_pkey, once more per segment.
SELECT
    s.upload_id, s.merge_version, s.batch_offset, s.segment, s.quarter, s.n, s.units,
    CASE WHEN 'row' = ANY ($3::text[]) THEN s.row END AS row,
    CASE WHEN 'supplier' = ANY ($3) THEN s.supplier END AS supplier,
    CASE WHEN 'category' = ANY ($3) THEN s.category END AS category,
    CASE WHEN 'method' = ANY ($3) THEN coalesce(r.method, s.method) END AS method,
    CASE WHEN 'period' = ANY ($3) THEN s.period END AS period,
    CASE WHEN 'quantity' = ANY ($3) THEN s.quantity END AS quantity,
    CASE WHEN 'unit' = ANY ($3) THEN s.unit END AS unit,
    CASE WHEN 'factor' = ANY ($3) THEN coalesce(r.factor, s.factor) END AS factor,
    CASE WHEN 'quality' = ANY ($3) THEN s.quality END AS quality,
    CASE WHEN 'kg_co2e' = ANY ($3) THEN coalesce(r.kg_co2e, s.kg_co2e) END AS kg_co2e,
    CASE WHEN 'sigma' = ANY ($3) THEN coalesce(r.sigma, s.sigma) END AS sigma,
    CASE WHEN 'notices' = ANY ($3) THEN coalesce(r.notices, s.notices) END AS notices,
    CASE WHEN 'group' = ANY ($3) THEN s."group" END AS "group",
    CASE WHEN 'reference' = ANY ($3) THEN s.reference END AS reference,
    CASE WHEN 'inputs' = ANY ($3) THEN s.inputs END AS inputs
FROM emission_segments AS s
JOIN uploads AS u USING (tenant_id, upload_id)
LEFT JOIN emission_segments AS r
    ON r.tenant_id = s.tenant_id AND r.upload_id = s.upload_id AND r.run_id = $13::bigint
    AND r.merge_version = s.merge_version AND r.batch_offset = s.batch_offset AND r.segment = s.segment
    AND r.quarter = s.quarter
WHERE s.tenant_id = $1 AND s.run_id = 0
    AND s.merge_version <= $2 AND (s.merged_into IS NULL OR s.merged_into > $2)
    AND u.state <> 'abandoned' AND (u.mode = 'committed' OR u.state = 'finalized')
    AND s.upload_id <= $4::bigint  -- the last upload to read
    AND s.quarter >= $5::date AND s.quarter < $6::date
    AND (
        $7::integer[] IS NULL
        OR EXISTS (SELECT FROM unnest($7) AS id WHERE id BETWEEN s.supplier_min AND s.supplier_max)
    )
    AND (s.upload_id, s.merge_version, s.batch_offset, s.segment, s.quarter)
        > ($8::bigint, $9::bigint, $10::bigint, $11::integer, $12::date)
ORDER BY s.upload_id, s.merge_version, s.batch_offset, s.segment, s.quarter;

-- name: scan_headers
-- As scan_segments, without the columns. Of segments with fewer than $13 rows only those that have the bytes of one of
-- the suppliers, $12, in their column: of many small uploads, these are few.
SELECT s.upload_id, s.merge_version, s.batch_offset, s.segment, s.quarter, s.n, s.input_hash
FROM emission_segments AS s
JOIN uploads AS u USING (tenant_id, upload_id)
WHERE s.tenant_id = $1 AND s.run_id = 0
    AND s.merge_version <= $2 AND (s.merged_into IS NULL OR s.merged_into > $2)
    AND u.state <> 'abandoned' AND (u.mode = 'committed' OR u.state = 'finalized')
    AND s.upload_id <= $3::bigint  -- the last upload to read
    AND s.quarter >= $4::date AND s.quarter < $5::date
    AND EXISTS (SELECT FROM unnest($6::integer[]) AS id WHERE id BETWEEN s.supplier_min AND s.supplier_max)
    AND (s.upload_id, s.merge_version, s.batch_offset, s.segment, s.quarter)
        > ($7::bigint, $8::bigint, $9::bigint, $10::integer, $11::date)
    AND (s.n >= $13::integer OR EXISTS (SELECT FROM unnest($12::bytea[]) AS id WHERE position(id IN s.supplier) > 0))
ORDER BY s.upload_id, s.merge_version, s.batch_offset, s.segment, s.quarter;

-- name: parts_of_segments
-- So many rows from `start` on (0 is the first) of the columns in $2: long columns are stored in pieces of
-- 2 kB, of which only those are read. Index: emission_segments_pkey, once for each segment.
SELECT s.units,
    CASE WHEN 'row' = ANY ($2::text[]) THEN substr(s.row, 4 * start + 1, 4 * part.rows) END AS row,
    CASE WHEN 'supplier' = ANY ($2) THEN substr(s.supplier, 4 * start + 1, 4 * part.rows) END AS supplier,
    CASE WHEN 'category' = ANY ($2) THEN substr(s.category, 1 * start + 1, 1 * part.rows) END AS category,
    CASE WHEN 'method' = ANY ($2) THEN substr(s.method, 1 * start + 1, 1 * part.rows) END AS method,
    CASE WHEN 'period' = ANY ($2) THEN substr(s.period, 1 * start + 1, 1 * part.rows) END AS period,
    CASE WHEN 'quantity' = ANY ($2) THEN substr(s.quantity, 8 * start + 1, 8 * part.rows) END AS quantity,
    CASE WHEN 'unit' = ANY ($2) THEN substr(s.unit, 2 * start + 1, 2 * part.rows) END AS unit,
    CASE WHEN 'factor' = ANY ($2) THEN substr(s.factor, 4 * start + 1, 4 * part.rows) END AS factor,
    CASE WHEN 'quality' = ANY ($2) THEN substr(s.quality, 2 * start + 1, 2 * part.rows) END AS quality,
    CASE WHEN 'kg_co2e' = ANY ($2) THEN substr(s.kg_co2e, 8 * start + 1, 8 * part.rows) END AS kg_co2e,
    CASE WHEN 'sigma' = ANY ($2) THEN substr(s.sigma, 4 * start + 1, 4 * part.rows) END AS sigma,
    CASE WHEN 'notices' = ANY ($2) THEN substr(s.notices, 2 * start + 1, 2 * part.rows) END AS notices
FROM unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::integer[], $7::date[], $8::integer[], $9::integer[])
    WITH ORDINALITY AS part (upload_id, merge_version, batch_offset, segment, quarter, start, rows, place)
JOIN emission_segments AS s USING (upload_id, merge_version, batch_offset, segment, quarter)
WHERE s.tenant_id = $1 AND s.run_id = 0
ORDER BY place;

-- name: unfolded_uploads
-- Partial index: uploads_to_fold.
SELECT upload_id, folded_rows, committed_rows FROM uploads
WHERE tenant_id = $1 AND state <> 'abandoned' AND NOT merged AND folded_rows < committed_rows
    AND (mode = 'committed' OR state = 'finalized')
ORDER BY upload_id;

-- name: supplier_ids_of
-- Index: suppliers_tenant_id_code_key.
SELECT supplier_id FROM suppliers WHERE tenant_id = $1 AND code = ANY ($2::text[]) ORDER BY supplier_id;

-- name: supplier_codes_of
-- Index: suppliers_pkey.
SELECT supplier_id, code FROM suppliers WHERE tenant_id = $1 AND supplier_id = ANY ($2::integer[]);

-- name: supplier_countries
SELECT supplier_id, country FROM suppliers WHERE tenant_id = $1 ORDER BY supplier_id;

-- name: factors_of
-- Index: emission_factors_pkey.
SELECT factor_id, source || ':' || code AS key, gsd2, unit FROM emission_factors
WHERE tenant_id = $1 AND factor_id = ANY ($2::integer[]);

-- name: factor_gases_of
-- Index: emission_factors_pkey.
SELECT factor_id, kg_co2e, gases, gwp_set, unit, source || ':' || code AS key FROM emission_factors
WHERE tenant_id = $1 AND factor_id = ANY ($2::integer[]);
