-- What a dashboard asks besides the sums.

-- name: count_of_folds
SELECT folds FROM tenants WHERE tenant_id = $1;

-- name: last_month
-- Of the folded emissions. Index: emission_rollups_pkey, backwards.
SELECT max(month) FROM emission_rollups WHERE tenant_id = $1;

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

-- name: inactive_suppliers
-- Partial index: suppliers_inactive.
SELECT supplier_id FROM suppliers WHERE tenant_id = $1 AND status = 'inactive';

-- name: suppliers_of
-- Index: suppliers_pkey.
SELECT supplier_id, code, display_name, country FROM suppliers
WHERE tenant_id = $1 AND supplier_id = ANY ($2::integer[]);
