-- The store stays open: segments as rows, for a person with psql. Values are decoded byte by byte in SQL, about
-- a hundred times slower than the columns are read (docs/storage.md).

CREATE FUNCTION vcci_u2(data bytea, i integer) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN get_byte(data, 2 * i) + (get_byte(data, 2 * i + 1) << 8);

CREATE FUNCTION vcci_u4(data bytea, i integer) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN vcci_u2(data, 2 * i) + (vcci_u2(data, 2 * i + 1)::bigint << 16);

CREATE FUNCTION vcci_i4(data bytea, i integer) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN vcci_u2(data, 2 * i) | (vcci_u2(data, 2 * i + 1) << 16);

-- (-1)^sign x mantissa x 2^exponent, with the power in two halves: whole, it fails where the number is subnormal.
CREATE FUNCTION vcci_binary(sign bigint, mantissa bigint, exponent bigint) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (1 - 2 * sign) * mantissa * 2::double precision ^ (exponent / 2)
        * 2::double precision ^ (exponent - exponent / 2);

CREATE FUNCTION vcci_f4_bits(bits bigint) RETURNS real LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN vcci_binary(bits >> 31, (bits & 8388607) + CASE WHEN bits >> 23 & 255 > 0 THEN 8388608 ELSE 0 END,
        greatest(bits >> 23 & 255, 1) - 150);

CREATE FUNCTION vcci_f8_bits(high bigint, low bigint) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN vcci_binary(high >> 31,
        ((high & 1048575) + CASE WHEN high >> 20 & 2047 > 0 THEN 1048576 ELSE 0 END << 32) + low,
        greatest(high >> 20 & 2047, 1) - 1075);

CREATE FUNCTION vcci_f4(data bytea, i integer) RETURNS real LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN vcci_f4_bits(vcci_u4(data, i));

CREATE FUNCTION vcci_f8(data bytea, i integer) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN vcci_f8_bits(vcci_u4(data, 2 * i + 1), vcci_u4(data, 2 * i));

-- Strings: n end offsets, then the text. NULL where there is none.
CREATE FUNCTION vcci_text(data bytea, i integer, n integer) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (
        SELECT nullif(convert_from(substr(data, (4 * n + start + 1)::integer, (stop - start)::integer), 'UTF8'), '')
        FROM (SELECT CASE WHEN i = 0 THEN 0 ELSE vcci_u4(data, i - 1) END AS start, vcci_u4(data, i) AS stop) AS ends
    );

-- Five scores of three bits, as digits, reliability first.
CREATE FUNCTION vcci_quality(scores integer) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN concat(scores >> 12 & 7, scores >> 9 & 7, scores >> 6 & 7, scores >> 3 & 7, scores & 7);

CREATE VIEW emissions AS
SELECT
    t.name AS tenant,
    s.tenant_id,
    s.upload_id,
    s.quarter,
    vcci_u4(c.row, i) AS row,
    su.code AS supplier_code,
    get_byte(c.category, i) AS category,
    get_byte(c.method, i) AS method,
    s.quarter + get_byte(c.period, i) AS period,
    vcci_f8(c.quantity, i) AS quantity,
    s.units[vcci_u2(c.unit, i) + 1] AS unit,
    coalesce(f.source || ':' || f.code, '') AS factor,
    vcci_quality(vcci_u2(c.quality, i)) AS quality,
    vcci_f8(c.kg_co2e, i) AS kg_co2e,
    exp(2 * vcci_f4(c.sigma, i)::double precision) AS gsd2,
    vcci_u2(c.notices, i) AS notices,
    vcci_text(c."group", i, s.n) AS "group",
    vcci_text(c.reference, i, s.n) AS reference
FROM emission_segments AS s
JOIN tenants AS t USING (tenant_id)
JOIN uploads AS u
    ON u.tenant_id = s.tenant_id AND u.upload_id = s.upload_id
    AND u.state <> 'abandoned' AND (u.mode = 'committed' OR u.state = 'finalized')
-- The concatenation fetches a column once per segment, not once per row; OFFSET 0 keeps it out of the list above.
CROSS JOIN LATERAL (
    SELECT
        s.row || ''::bytea AS row, s.supplier || ''::bytea AS supplier, s.category || ''::bytea AS category,
        s.method || ''::bytea AS method, s.period || ''::bytea AS period, s.quantity || ''::bytea AS quantity,
        s.unit || ''::bytea AS unit, s.factor || ''::bytea AS factor, s.quality || ''::bytea AS quality,
        s.kg_co2e || ''::bytea AS kg_co2e, s.sigma || ''::bytea AS sigma, s.notices || ''::bytea AS notices,
        s."group" || ''::bytea AS "group", s.reference || ''::bytea AS reference
    OFFSET 0
) AS c
CROSS JOIN LATERAL generate_series(0, s.n - 1) AS i
LEFT JOIN suppliers AS su ON su.tenant_id = s.tenant_id AND su.supplier_id = vcci_i4(c.supplier, i)
LEFT JOIN emission_factors AS f ON f.tenant_id = s.tenant_id AND f.factor_id = vcci_u4(c.factor, i)
WHERE s.run_id = 0 AND s.merged_into IS NULL;

COMMENT ON VIEW emissions IS
    'Stored emissions as rows, for looking: decoded byte by byte in SQL, which is slow. Name a tenant_id, and a '
    'quarter or an upload_id. For sums read emission_rollups; for many rows use `vcci emissions export`.';
COMMENT ON COLUMN emissions.quality IS 'Five pedigree scores, reliability first; 0 is unknown and counts as 5.';
COMMENT ON COLUMN emissions.kg_co2e IS 'The calculated value, kg CO2e: the median of the row.';
COMMENT ON COLUMN emissions.gsd2 IS 'The 95 % interval is kg_co2e / gsd2 to kg_co2e * gsd2.';
COMMENT ON COLUMN emissions.category IS 'Number of the Scope 3 category, 1 to 15.';
COMMENT ON COLUMN emissions.method IS 'Number of the method: 1 supplier_specific, 2 average_data, 3 spend_based; the others in docs/methods.md.';
COMMENT ON COLUMN emissions.notices IS 'Bit n is Notice n of protos/vcci/v1/emission.proto.';

-- Whether the segments that this merge replaced are deleted: a version older than it cannot be read any more.
ALTER TABLE merges ADD COLUMN swept boolean NOT NULL DEFAULT false;
CREATE INDEX merges_to_sweep ON merges (merged_at) WHERE NOT swept;
