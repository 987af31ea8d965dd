-- What a dashboard asks besides the sums.

-- name: count_of_folds
SELECT folds FROM tenants WHERE tenant_id = $1;

-- name: last_month
-- Of the folded emissions. Index: emission_rollups_pkey, backwards.
SELECT max(month) FROM emission_rollups WHERE tenant_id = $1;

-- name: last_quarter_not_folded
-- Of those after $2. The key of each partition after it, of the uploads that are not folded alone.
SELECT max(s.quarter) FROM uploads AS u
JOIN emission_segments AS s USING (tenant_id, upload_id)
WHERE tenant_id = $1 AND u.state <> 'abandoned' AND NOT u.merged AND u.folded_rows < u.committed_rows
    AND (u.mode = 'committed' OR u.state = 'finalized')
    AND s.run_id = 0 AND s.merge_version = 0 AND s.batch_offset >= u.folded_rows AND s.quarter > $2::date;

-- name: today
SELECT current_date;

-- name: grades_of
-- Index: grade_rollups_pkey.
SELECT grade, sum(rows)::bigint AS rows, sum(ug_co2e) AS ug_co2e FROM grade_rollups
WHERE tenant_id = $1 AND month >= $2::date AND month < $3::date
GROUP BY grade;

-- name: open_uploads
-- Partial index: uploads_open, backwards.
SELECT * FROM uploads WHERE tenant_id = $1 AND state = 'open' ORDER BY upload_id DESC LIMIT $2;

-- name: count_open_uploads
-- Partial index: uploads_open.
SELECT count(*) FROM uploads WHERE tenant_id = $1 AND state = 'open';

-- name: count_suppliers
-- Index only: suppliers_pkey.
SELECT count(*) FROM suppliers WHERE tenant_id = $1;

-- name: count_suppliers_before
SELECT count(*) FROM suppliers WHERE tenant_id = $1 AND created_at < $2;

-- name: count_suppliers_since
-- Index: suppliers_by_change; what is made is changed then, or later.
SELECT count(*) FROM suppliers WHERE tenant_id = $1 AND updated_at >= $2 AND created_at >= $2;

-- name: inactive_suppliers
-- Partial index: suppliers_inactive.
SELECT supplier_id FROM suppliers WHERE tenant_id = $1 AND status = 'inactive';

-- name: suppliers_of
-- Index: suppliers_pkey.
SELECT supplier_id, code, display_name, country FROM suppliers
WHERE tenant_id = $1 AND supplier_id = ANY ($2::integer[]);
