-- name: select_suppliers
-- Index: suppliers_tenant_id_code_key.
SELECT * FROM suppliers WHERE tenant_id = $1 AND code = ANY($2::text[]);

-- name: insert_suppliers
-- In the order of codes, so that two writers with the same new codes wait for each other, never in a circle. Returns
-- those that this statement made.
INSERT INTO suppliers (tenant_id, code, display_name, country)
SELECT $1, code, display_name, country
FROM unnest($2::text[], $3::text[], $4::text[]) AS given (code, display_name, country)
ORDER BY code
ON CONFLICT (tenant_id, code) DO NOTHING
RETURNING *;

-- name: update_suppliers
-- Rows are locked in the order of codes before any is changed; an empty field is left as it is.
WITH locked AS (
    SELECT supplier_id, given.*
    FROM unnest($2::text[], $3::text[], $4::text[]) AS given (code, new_name, new_country)
    JOIN suppliers USING (code)
    WHERE tenant_id = $1
    ORDER BY code
    FOR UPDATE OF suppliers
)
UPDATE suppliers
SET display_name = coalesce(nullif(new_name, ''), display_name),
    country = coalesce(nullif(new_country, ''), country),
    updated_at = now()
FROM locked
WHERE suppliers.tenant_id = $1 AND suppliers.supplier_id = locked.supplier_id
RETURNING suppliers.*;

-- name: upsert_suppliers
-- An empty field is left as it is; $7: the codes that come with a status. Returns every one, in no order.
INSERT INTO suppliers AS kept (tenant_id, code, display_name, country, industry, status)
SELECT $1, code, display_name, country, industry, coalesce(nullif(status, ''), 'active')
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
    AS given (code, display_name, country, industry, status)
ORDER BY code
ON CONFLICT (tenant_id, code) DO UPDATE
SET display_name = coalesce(nullif(excluded.display_name, ''), kept.display_name),
    country = coalesce(nullif(excluded.country, ''), kept.country),
    industry = coalesce(nullif(excluded.industry, ''), kept.industry),
    status = CASE WHEN kept.code = ANY ($7::text[]) THEN excluded.status ELSE kept.status END,
    updated_at = now()
RETURNING *;

-- name: lock_suppliers
-- In the order in which others lock them. Index: suppliers_tenant_id_code_key.
SELECT * FROM suppliers WHERE tenant_id = $1 AND code = ANY ($2::text[]) ORDER BY code FOR UPDATE;

-- name: lock_supplier
-- Index: suppliers_tenant_id_code_key.
SELECT * FROM suppliers WHERE tenant_id = $1 AND code = $2 FOR UPDATE;

-- name: change_supplier
-- Index: suppliers_pkey.
UPDATE suppliers SET display_name = $3, country = $4, industry = $5, status = $6, updated_at = now()
WHERE tenant_id = $1 AND supplier_id = $2
RETURNING *;

-- name: plan_each_time
-- What a filter chooses decides which index is the best; and what is listed often is in memory.
SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('random_page_cost', '1.1', true);

-- name: get_supplier
-- {columns} and {source}: as asked for (storage/supplier_lists.py). Index: suppliers_tenant_id_code_key.
SELECT {columns} FROM {source} WHERE s.tenant_id = $1 AND s.code = $2;

-- name: list_suppliers
-- A page: the parts in braces are fixed texts of storage/supplier_lists.py and supplier_fields.py, which name arguments.
-- Index: that of the order, or of the filter, as the planner thinks best.
SELECT {columns} FROM {source} WHERE s.tenant_id = $1 AND {condition} AND {behind} ORDER BY {order} LIMIT $2;

-- name: rows_not_counted
-- Of uploads that are seen; and, unless $2, what is folded, but not in supplier_figures yet. Partial index:
-- uploads_to_fold.
SELECT (
    SELECT coalesce(sum(committed_rows - folded_rows), 0) FROM uploads
    WHERE tenant_id = $1 AND state <> 'abandoned' AND NOT merged AND (mode = 'committed' OR state = 'finalized')
)::bigint + (SELECT coalesce(sum(rows), 0) FROM supplier_figure_changes WHERE tenant_id = $1 AND NOT $2)::bigint;

-- name: leave_search_to_database
-- Whether a tenant has more than $2 suppliers, and the database pg_trgm. Index only: suppliers_pkey.
SELECT to_regclass('suppliers_by_likeness') IS NOT NULL
    AND (SELECT count(*) FROM suppliers WHERE tenant_id = $1) > $2::bigint;

-- name: be_forgiving
-- From which share of common trigrams a name is a hit.
SELECT set_config('pg_trgm.word_similarity_threshold', $1::text, true);

-- name: moment
-- What is committed after this was begun, and `updated_at` then, at this moment or later.
SELECT oldest_transaction();

-- name: names
SELECT supplier_id, display_name FROM suppliers WHERE tenant_id = $1 ORDER BY supplier_id;

-- name: changed_names
-- Index: suppliers_by_change.
SELECT supplier_id, display_name FROM suppliers WHERE tenant_id = $1 AND updated_at >= $2
ORDER BY updated_at DESC LIMIT $3;

-- name: count_of_figures
SELECT figures FROM tenants WHERE tenant_id = $1;

-- name: version_of_figures
-- It is another when the totals of suppliers, or what is noted and not in them yet, are others.
SELECT figures, (SELECT max(change_id) FROM supplier_figure_changes WHERE tenant_id = $1) AS last_change
FROM tenants WHERE tenant_id = $1;

-- name: figures_to_order
-- As columns in binary form; the driver makes of 100,000 rows in 0.1 s what this is in 0.05 s, and not in this process.
SELECT string_agg(int4send(supplier_id), ''), string_agg(float8send(kg_co2e), ''),
    string_agg(float8send(coalesce(carbon_intensity, 'NaN')), '')
FROM supplier_figures WHERE tenant_id = $1;

-- name: suppliers_chosen
-- Up to $2 of those that a filter chooses; the parts in braces as for list_suppliers.
SELECT s.supplier_id FROM {source} WHERE s.tenant_id = $1 AND {condition} LIMIT $2;
