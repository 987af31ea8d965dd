-- Reports: what they are made of, and the finished ones.

-- name: insert_report
-- Returns nothing when the request id was used before: select_report_by_request tells by which.
INSERT INTO reports
    (tenant_id, request_id, request, period_start, period_end, input_names, input_hashes, sha256, size_bytes, file,
    created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (tenant_id, request_id) DO NOTHING
RETURNING report_id;

-- name: select_report_by_request
-- Index: reports_tenant_id_request_id_key.
SELECT report_id, request, period_start, period_end, input_names, input_hashes, sha256, size_bytes, created_at
FROM reports WHERE tenant_id = $1 AND request_id = $2;

-- name: select_report
-- Index: reports_pkey.
SELECT report_id, request, period_start, period_end, input_names, input_hashes, sha256, size_bytes, created_at
FROM reports WHERE tenant_id = $1 AND report_id = $2;

-- name: list_reports
-- Index: reports_pkey, backwards.
SELECT report_id, request, period_start, period_end, input_names, input_hashes, sha256, size_bytes, created_at
FROM reports WHERE tenant_id = $1 AND report_id < $2 ORDER BY report_id DESC LIMIT $3;

-- name: report_chunk
-- Part of a file, from byte $3 (from 1); without reading the rest. Index: reports_pkey.
SELECT substr(file, $3, $4) FROM reports WHERE tenant_id = $1 AND report_id = $2;

-- name: delete_report
-- Index: reports_pkey.
DELETE FROM reports WHERE tenant_id = $1 AND report_id = $2 RETURNING report_id;

-- name: now
SELECT now();

-- name: report_factors
-- Index: emission_factors_pkey.
SELECT factor_id, factor_set_id, source, source || ':' || code AS key, display_name, region, year, unit, kg_co2e, gsd2,
    gwp_set, source_note
FROM emission_factors WHERE tenant_id = $1 AND factor_id = ANY ($2::integer[]);

-- name: report_factor_sets
-- Index: factor_sets_pkey.
SELECT factor_set_id, display_name, content_hash, factor_count, created_at
FROM factor_sets WHERE tenant_id = $1 AND factor_set_id = ANY ($2::integer[]) ORDER BY factor_set_id;

-- name: report_price_sets
-- Those that emissions of a period were calculated with. Index: emission_segments_pkey of the quarters' partitions.
SELECT price_set_id, display_name, content_hash, created_at FROM price_sets
WHERE tenant_id = $1 AND price_set_id IN (
    SELECT s.price_set_id FROM emission_segments AS s JOIN uploads AS u USING (tenant_id, upload_id)
    WHERE s.tenant_id = $1 AND s.quarter >= $2::date AND s.quarter < $3::date AND s.run_id IN (0, $4::bigint)
        AND s.merged_into IS NULL AND u.state <> 'abandoned' AND (u.mode = 'committed' OR u.state = 'finalized')
)
ORDER BY price_set_id;

-- name: report_suppliers
-- Index: suppliers_tenant_id_code_key.
SELECT code, display_name, country FROM suppliers WHERE tenant_id = $1 AND code = ANY ($2::text[]);
