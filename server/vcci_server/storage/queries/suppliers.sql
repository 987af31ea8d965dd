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
-- An empty field is left as it is. Returns every one, in no order.
INSERT INTO suppliers AS kept (tenant_id, code, display_name, country, industry)
SELECT $1, code, display_name, country, industry
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS given (code, display_name, country, industry)
ORDER BY code
ON CONFLICT (tenant_id, code) DO UPDATE
SET display_name = coalesce(nullif(excluded.display_name, ''), kept.display_name),
    country = coalesce(nullif(excluded.country, ''), kept.country),
    industry = coalesce(nullif(excluded.industry, ''), kept.industry),
    updated_at = now()
RETURNING *;

-- name: list_suppliers
-- Index: suppliers_tenant_id_code_key.
SELECT * FROM suppliers WHERE tenant_id = $1 AND code > $2 ORDER BY code LIMIT $3;
