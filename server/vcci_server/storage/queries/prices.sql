-- name: insert_price_set
-- Returns nothing when there is a set with these contents: select_price_set_by_hash tells which.
INSERT INTO price_sets (tenant_id, display_name, content_hash, base_currency, rate_count, index_count)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant_id, content_hash) DO NOTHING
RETURNING price_set_id;

-- name: select_price_set_by_hash
-- Index: price_sets_tenant_id_content_hash_key.
SELECT price_set_id FROM price_sets WHERE tenant_id = $1 AND content_hash = $2;

-- name: select_price_set
-- Index: price_sets_pkey, active_price_sets_pkey.
SELECT price_sets.*, active.price_set_id IS NOT NULL AS active
FROM price_sets LEFT JOIN active_price_sets AS active USING (tenant_id, price_set_id)
WHERE tenant_id = $1 AND price_set_id = $2::bigint;

-- name: list_price_sets
-- Index: price_sets_pkey, backwards.
SELECT price_sets.*, active.price_set_id IS NOT NULL AS active
FROM price_sets LEFT JOIN active_price_sets AS active USING (tenant_id, price_set_id)
WHERE tenant_id = $1 AND price_set_id < $2::bigint
ORDER BY price_set_id DESC
LIMIT $3;

-- name: activate_price_set
-- Returns the set, if there is one; who listens is told when the transaction commits.
WITH activated AS (
    INSERT INTO active_price_sets (tenant_id, price_set_id)
    SELECT tenant_id, price_set_id FROM price_sets WHERE tenant_id = $1 AND price_set_id = $2::bigint
    ON CONFLICT (tenant_id) DO UPDATE SET price_set_id = excluded.price_set_id, activated_at = now()
    RETURNING tenant_id, price_set_id
)
SELECT price_set_id, pg_notify('vcci_factors', tenant_id::text) FROM activated;

-- name: deactivate_price_set
-- Index: active_price_sets_pkey.
WITH ended AS (
    DELETE FROM active_price_sets WHERE tenant_id = $1 AND price_set_id = $2::bigint RETURNING tenant_id
)
SELECT pg_notify('vcci_factors', tenant_id::text) FROM ended;

-- name: insert_price_activation
INSERT INTO price_set_activations (tenant_id, price_set_id, previous_set_id, subject, request_id)
VALUES ($1, $2, $3, $4, $5);

-- name: list_price_activations
-- Index: price_set_activations_pkey, backwards.
SELECT * FROM price_set_activations
WHERE tenant_id = $1 AND activation_id < $2::bigint
ORDER BY activation_id DESC
LIMIT $3;

-- name: select_active_price_set
-- Index: active_price_sets_pkey.
SELECT price_set_id FROM active_price_sets WHERE tenant_id = $1;

-- name: select_prices
-- Index: prices_pkey, price_sets_pkey.
SELECT kind, currency, CASE kind WHEN 1 THEN base_currency ELSE '' END AS base_currency, year, month, value, source_note
FROM prices JOIN price_sets USING (tenant_id, price_set_id)
WHERE tenant_id = $1 AND price_set_id = $2::bigint
ORDER BY kind, currency, year, month;

-- name: prices_of_row
-- The lines of some currencies in some years. Index: prices_pkey, price_sets_pkey.
SELECT kind, currency, CASE kind WHEN 1 THEN base_currency ELSE '' END AS base_currency, year, month, value, source_note
FROM prices JOIN price_sets USING (tenant_id, price_set_id)
WHERE tenant_id = $1 AND price_set_id = $2::bigint AND currency = ANY ($3::text[]) AND year = ANY ($4::integer[])
ORDER BY kind, currency, year, month;

-- name: list_prices
-- Index: prices_pkey, price_sets_pkey.
SELECT kind, currency, CASE kind WHEN 1 THEN base_currency ELSE '' END AS base_currency, year, month, value, source_note
FROM prices JOIN price_sets USING (tenant_id, price_set_id)
WHERE tenant_id = $1 AND price_set_id = $2::bigint
    AND (kind, currency, year, month) > ($3::bigint, $4::text, $5::bigint, $6::bigint)
    AND ($7::text = '' OR currency = $7::text)
ORDER BY kind, currency, year, month
LIMIT $8;

-- name: insert_prices
-- COPY FROM is refused under row-level security.
INSERT INTO prices (tenant_id, price_set_id, kind, currency, year, month, value, source_note)
SELECT $1, $2, given.*
FROM unnest($3::smallint[], $4::text[], $5::integer[], $6::integer[], $7::float8[], $8::text[])
    AS given (kind, currency, year, month, value, source_note);
