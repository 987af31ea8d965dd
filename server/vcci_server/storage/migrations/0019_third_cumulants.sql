-- The third cumulants of rollups, in five further columns of 40 bits each, 2^-60 kg3 (engine: totals.py). Of what is
-- rolled up already they are those of log-normal sums with its mean and variance, as the interval took them for till now.

CREATE FUNCTION vcci_number(block bytea, place bigint) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
SELECT ('x' || regexp_replace(
    encode(substring(block FROM (8 * place + 1)::integer FOR 8), 'hex'),
    '(..)(..)(..)(..)(..)(..)(..)(..)', '\8\7\6\5\4\3\2\1'
))::bit(64)::bigint::numeric
$$;

CREATE FUNCTION vcci_column(numbers numeric[]) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
SELECT string_agg(
    decode(
        regexp_replace(
            lpad(to_hex(number::bigint), 16, '0'), '(..)(..)(..)(..)(..)(..)(..)(..)', '\8\7\6\5\4\3\2\1'
        ), 'hex'
    ), '' ORDER BY place
)
FROM unnest(numbers) WITH ORDINALITY AS given (number, place)
$$;

CREATE FUNCTION vcci_low(number numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
SELECT mod(mod(number, 1::bigint << 40) + (1::bigint << 40), 1::bigint << 40)
$$;

CREATE FUNCTION vcci_high(number numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
SELECT div(number - vcci_low(number), 1::bigint << 40)
$$;

-- The columns of a block of n rollups: four keys, rows, two of micrograms, two of means, three of variances.
CREATE FUNCTION vcci_third_columns(block bytea, n integer) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
WITH known AS (
    SELECT place,
        (vcci_number(block, 7 * n + place) * 2::numeric ^ 32 + vcci_number(block, 8 * n + place)) / 10::numeric ^ 9
            AS mean,
        (vcci_number(block, 9 * n + place) * 2::numeric ^ 80 + vcci_number(block, 10 * n + place) * 2::numeric ^ 40
            + vcci_number(block, 11 * n + place)) / 2::numeric ^ 40 AS variance
    FROM generate_series(0, n::bigint - 1) AS place
),

thirds AS (
    SELECT place, CASE
        WHEN mean = 0 THEN 0
        ELSE floor(variance * variance / mean * (3 + variance / (mean * mean)) * 2::numeric ^ 60)
    END AS third
    FROM known
)

SELECT vcci_column(array_agg(vcci_high(fourth) ORDER BY place))
    || vcci_column(array_agg(vcci_low(fourth) ORDER BY place))
    || vcci_column(array_agg(vcci_low(triple) ORDER BY place))
    || vcci_column(array_agg(vcci_low(second) ORDER BY place))
    || vcci_column(array_agg(vcci_low(third) ORDER BY place))
FROM thirds,
    LATERAL (SELECT vcci_high(third) AS second) AS two,
    LATERAL (SELECT vcci_high(second) AS triple) AS three,
    LATERAL (SELECT vcci_high(triple) AS fourth) AS four
$$;

UPDATE quarter_rollups SET sums = sums || vcci_third_columns(sums, n) WHERE n > 0;

-- What a run changed may be less than nothing; its third cumulants are left out.
UPDATE run_uploads SET rollups = rollups || decode(repeat('00', length(rollups) / 12 * 5), 'hex')
WHERE length(rollups) > 0;

DROP FUNCTION vcci_third_columns, vcci_column, vcci_number, vcci_high, vcci_low;
