-- name: lock_activations
-- Until the transaction ends; before the active set is read, so that each activation knows the one before it.
SELECT FROM tenants WHERE tenant_id = $1 FOR NO KEY UPDATE;

-- name: select_active_set
-- Index: active_factor_sets_pkey.
SELECT factor_set_id FROM active_factor_sets WHERE tenant_id = $1;

-- name: activate_factor_set
-- Returns the set, if there is one; who listens is told when the transaction commits.
WITH activated AS (
    INSERT INTO active_factor_sets (tenant_id, factor_set_id)
    SELECT tenant_id, factor_set_id FROM factor_sets WHERE tenant_id = $1 AND factor_set_id = $2::bigint
    ON CONFLICT (tenant_id) DO UPDATE SET factor_set_id = excluded.factor_set_id, activated_at = now()
    RETURNING tenant_id, factor_set_id
)
SELECT factor_set_id, pg_notify('vcci_factors', tenant_id::text) FROM activated;

-- name: insert_activation
INSERT INTO factor_set_activations (tenant_id, factor_set_id, previous_set_id, subject, request_id)
VALUES ($1, $2, $3, $4, $5);

-- name: list_activations
-- Index: factor_set_activations_pkey, backwards.
SELECT * FROM factor_set_activations
WHERE tenant_id = $1 AND activation_id < $2::bigint
ORDER BY activation_id DESC
LIMIT $3;

-- name: select_factors_in_file_order
-- As a file of the set has them: by the characters' numbers, whatever the database's locale.
SELECT * FROM emission_factors WHERE tenant_id = $1 AND factor_set_id = $2
ORDER BY source COLLATE "C", code COLLATE "C", region COLLATE "C", year;

-- name: copy_factors
-- All factors of a set but some into another. An anti-join would be a nested loop where nothing is known of a new set.
INSERT INTO emission_factors (
    tenant_id, factor_set_id, source, code, display_name, region, year, unit, kg_co2e, gases, gwp_set, gsd2,
    price_year, price_basis, margins, source_note
)
SELECT
    tenant_id, $3, source, code, display_name, region, year, unit, kg_co2e, gases, gwp_set, gsd2,
    price_year, price_basis, margins, source_note
FROM emission_factors
WHERE tenant_id = $1 AND factor_set_id = $2 AND factor_id <> ALL ($4::integer[])
ORDER BY source, code, region, year;

-- name: select_factors_by_id
-- Index: emission_factors_pkey.
SELECT * FROM emission_factors WHERE tenant_id = $1 AND factor_set_id = $2::bigint AND factor_id = ANY($3::bigint[]);

-- name: select_factors_by_key
-- Index: the unique one over set, source, code, region, year.
SELECT emission_factors.*
FROM unnest($3::text[], $4::text[], $5::text[], $6::integer[]) AS wanted (source, code, region, year)
JOIN emission_factors USING (source, code, region, year)
WHERE tenant_id = $1 AND factor_set_id = $2;

-- name: diff_factor_sets
-- The unique index over set, source, code, region, year gives either set in the order of the page; a page is full
-- before the whole sets are read.
(
    SELECT old.source, old.code, old.region, old.year, old.factor_id AS old_id, new.factor_id AS new_id
    FROM emission_factors AS old
    LEFT JOIN emission_factors AS new
        ON new.tenant_id = $1 AND new.factor_set_id = $3::bigint
        AND new.source = old.source AND new.code = old.code AND new.region = old.region AND new.year = old.year
    WHERE old.tenant_id = $1 AND old.factor_set_id = $2::bigint
        AND (old.source, old.code, old.region, old.year) > ($4, $5, $6, $7::bigint)
        AND (
            new.display_name, new.unit, new.kg_co2e, new.gases, new.gwp_set, new.gsd2,
            new.price_year, new.price_basis, new.margins, new.source_note
        ) IS DISTINCT FROM (
            old.display_name, old.unit, old.kg_co2e, old.gases, old.gwp_set, old.gsd2,
            old.price_year, old.price_basis, old.margins, old.source_note
        )
    ORDER BY old.source, old.code, old.region, old.year
    LIMIT $8
)
UNION ALL
(
    SELECT new.source, new.code, new.region, new.year, NULL, new.factor_id
    FROM emission_factors AS new
    WHERE new.tenant_id = $1 AND new.factor_set_id = $3::bigint
        AND (new.source, new.code, new.region, new.year) > ($4, $5, $6, $7::bigint)
        AND NOT EXISTS (
            SELECT FROM emission_factors AS old
            WHERE old.tenant_id = $1 AND old.factor_set_id = $2::bigint
                AND old.source = new.source AND old.code = new.code
                AND old.region = new.region AND old.year = new.year
        )
    ORDER BY new.source, new.code, new.region, new.year
    LIMIT $8
)
ORDER BY source, code, region, year
LIMIT $8;
