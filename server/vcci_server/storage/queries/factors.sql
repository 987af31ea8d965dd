-- name: insert_factor_set
-- Returns nothing when there is a set with these contents: select_factor_set_by_hash tells which. Waits for another
-- transaction that is making it.
INSERT INTO factor_sets (tenant_id, display_name, content_hash, factor_count, parent_set_id, version)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant_id, content_hash) DO NOTHING
RETURNING factor_set_id;

-- name: select_factor_set_by_hash
-- Index: factor_sets_tenant_id_content_hash_key.
SELECT factor_set_id FROM factor_sets WHERE tenant_id = $1 AND content_hash = $2;

-- name: select_factor_set
-- Index: factor_sets_pkey, active_factor_sets_pkey.
SELECT factor_sets.*, active.factor_set_id IS NOT NULL AS active
FROM factor_sets LEFT JOIN active_factor_sets AS active USING (tenant_id, factor_set_id)
WHERE tenant_id = $1 AND factor_set_id = $2::bigint;

-- name: list_factor_sets
-- Index: factor_sets_pkey, backwards.
SELECT factor_sets.*, active.factor_set_id IS NOT NULL AS active
FROM factor_sets LEFT JOIN active_factor_sets AS active USING (tenant_id, factor_set_id)
WHERE tenant_id = $1 AND factor_set_id < $2::bigint
ORDER BY factor_set_id DESC
LIMIT $3;

-- name: select_active_versions
-- Index: active_factor_sets_pkey, factor_sets_pkey, active_price_sets_pkey, price_sets_pkey.
SELECT tenant_id, factor_set_id, factor_sets.content_hash, factor_sets.uid::text,
    coalesce(price_set_id, 0), coalesce(price_sets.content_hash, ''), coalesce(price_sets.uid::text, '')
FROM active_factor_sets JOIN factor_sets USING (tenant_id, factor_set_id)
    LEFT JOIN (active_price_sets JOIN price_sets USING (tenant_id, price_set_id)) USING (tenant_id)
WHERE tenant_id = ANY($1::integer[]);

-- name: select_factor
-- Index: emission_factors_pkey.
SELECT * FROM emission_factors WHERE tenant_id = $1 AND factor_set_id = $2::bigint AND factor_id = $3::bigint;

-- name: select_factors
-- Index: the unique one over set, source, code, region, year.
SELECT * FROM emission_factors WHERE tenant_id = $1 AND factor_set_id = $2::bigint
ORDER BY source, code, region, year;

-- name: list_factors
-- Index: the unique one over set, source, code, region, year; what is searched for is looked for in its order. An index
-- over texts would hold every version of every set, and cost each copy of a set more than a walk over one.
SELECT * FROM emission_factors
WHERE tenant_id = $1 AND factor_set_id = $2::bigint
    AND (source, code, region, year) > ($3, $4, $5, $6::bigint)
    AND ($7::text = '' OR source = $7::text)
    AND (source || ':' || code || E'\n' || display_name) ILIKE ALL ($8::text[])
    AND ($9::text IS NULL OR region = $9::text)
    AND ($10::bigint = 0 OR year = $10::bigint)
    AND ($11::text[] IS NULL OR unit = ANY ($11::text[]))
ORDER BY source, code, region, year
LIMIT $12;

-- name: select_units
-- Walks the set.
SELECT DISTINCT unit FROM emission_factors WHERE tenant_id = $1 AND factor_set_id = $2::bigint;

-- name: select_factor_table
-- Index: the unique one over set, source, code, region, year.
SELECT factor_id, source || ':' || code AS key, region, year, unit, kg_co2e, gsd2, gases, gwp_set,
    price_year, price_basis, margins
FROM emission_factors WHERE tenant_id = $1 AND factor_set_id = $2::bigint;

-- name: insert_factors
-- COPY FROM is refused under row-level security.
INSERT INTO emission_factors (
    tenant_id, factor_set_id, source, code, display_name, region, year, unit, kg_co2e, gases, gwp_set, gsd2,
    price_year, price_basis, margins, source_note
)
SELECT $1, $2, source, code, display_name, region, year, unit, kg_co2e, gases::jsonb, gwp_set, gsd2,
    price_year, price_basis, margins, source_note
FROM unnest(
    $3::text[], $4::text[], $5::text[], $6::text[], $7::integer[], $8::text[], $9::float8[], $10::text[],
    $11::text[], $12::float8[], $13::integer[], $14::text[], $15::text[], $16::text[]
) AS given (
    source, code, display_name, region, year, unit, kg_co2e, gases, gwp_set, gsd2, price_year, price_basis, margins,
    source_note
);
