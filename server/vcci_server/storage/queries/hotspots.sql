-- What hotspots and scenarios ask of suppliers and factors.

-- name: supplier_industries
SELECT supplier_id, industry FROM suppliers WHERE tenant_id = $1 AND industry <> '';

-- name: factor_details
-- Index: emission_factors_pkey.
SELECT factor_id, source || ':' || code AS key, region, year, unit, kg_co2e, gsd2 FROM emission_factors
WHERE tenant_id = $1 AND factor_id = ANY ($2::integer[]);
