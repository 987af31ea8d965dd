-- What hotspots and scenarios ask of suppliers and factors.

-- name: supplier_industries
SELECT supplier_id, industry FROM suppliers WHERE tenant_id = $1 AND industry <> '';

-- name: factor_details
-- Index: emission_factors_pkey.
SELECT factor_id, source || ':' || code AS key, region, year, unit, kg_co2e, gsd2 FROM emission_factors
WHERE tenant_id = $1 AND factor_id = ANY ($2::integer[]);

-- name: active_factors_of
-- Of the active set, all regions and years of some keys.
SELECT f.factor_id, f.source || ':' || f.code AS key, f.region, f.year, f.unit, f.kg_co2e, f.gsd2
FROM emission_factors AS f
JOIN active_factor_sets USING (tenant_id, factor_set_id)
WHERE f.tenant_id = $1 AND (f.source, f.code) IN (SELECT * FROM unnest($2::text[], $3::text[]))
ORDER BY f.factor_id;

-- name: supplier_ids_by_code
-- Index: suppliers_tenant_id_code_key.
SELECT code, supplier_id FROM suppliers WHERE tenant_id = $1 AND code = ANY ($2::text[]);

-- name: suppliers_of_countries
SELECT supplier_id FROM suppliers WHERE tenant_id = $1 AND country = ANY ($2::text[]);
