-- What folding sums, in columns. A fold of half a million rows touches 24,000 rollups, and most suppliers of most
-- quarters: as rows, and as whole summaries, writing these cost ten times what storing the emissions had.

-- Blocks are int64 columns, little-endian, one behind the other; sums are limbs (engine: totals.py). These functions
-- make blocks of what is stored already, and go at the end.
CREATE FUNCTION vcci_low(number numeric, bits integer) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
SELECT mod(mod(number, 1::bigint << bits) + (1::bigint << bits), 1::bigint << bits)
$$;

CREATE FUNCTION vcci_high(number numeric, bits integer) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
SELECT div(number - vcci_low(number, bits), 1::bigint << bits)
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

-- By month, category, method and factor, with the terms of the spread: a block for each quarter (storage/rollups.py).
CREATE TABLE quarter_rollups (
    tenant_id integer NOT NULL,
    quarter   date NOT NULL,
    n         integer NOT NULL,
    sums      bytea NOT NULL,
    PRIMARY KEY (tenant_id, quarter)
);

ALTER TABLE quarter_rollups ALTER COLUMN sums SET STORAGE EXTERNAL;

-- Months count from January 1990.
INSERT INTO quarter_rollups (tenant_id, quarter, n, sums)
SELECT tenant_id, date_trunc('quarter', month), count(*),
    vcci_column(array_agg(extract(year FROM month) * 12 + extract(month FROM month) - 23881))
    || vcci_column(array_agg(category::numeric))
    || vcci_column(array_agg(method::numeric))
    || vcci_column(array_agg(factor_id::numeric))
    || vcci_column(array_agg(rows::numeric))
    || vcci_column(array_agg(vcci_high(ug_co2e, 32)))
    || vcci_column(array_agg(vcci_low(ug_co2e, 32)))
    || vcci_column(array_agg(vcci_high(ug_co2e_mean, 32)))
    || vcci_column(array_agg(vcci_low(ug_co2e_mean, 32)))
    || vcci_column(array_agg(vcci_high(vcci_high(variance, 40), 40)))
    || vcci_column(array_agg(vcci_low(vcci_high(variance, 40), 40)))
    || vcci_column(array_agg(vcci_low(variance, 40)))
FROM emission_rollups
GROUP BY 1, 2;

-- For SQL: by month, category and method.
ALTER TABLE emission_rollups RENAME TO old_rollups;

CREATE TABLE emission_rollups (
    tenant_id integer NOT NULL,
    month     date NOT NULL,
    category  smallint NOT NULL,
    method    smallint NOT NULL,
    rows      bigint NOT NULL,
    ug_co2e   numeric NOT NULL,  -- sum of the calculated values, micrograms
    CONSTRAINT emission_rollups_by_method PRIMARY KEY (tenant_id, month, category, method)
) WITH (fillfactor = 70);

INSERT INTO emission_rollups (tenant_id, month, category, method, rows, ug_co2e)
SELECT tenant_id, month, category, method, sum(rows), sum(ug_co2e) FROM old_rollups GROUP BY 1, 2, 3, 4;

DROP TABLE old_rollups;

-- The summary of a quarter is in parts (storage/summaries.py).
ALTER TABLE supplier_summaries
    ADD COLUMN part bigint GENERATED ALWAYS AS IDENTITY,
    DROP CONSTRAINT supplier_summaries_pkey,
    ADD PRIMARY KEY (tenant_id, quarter, part);

-- The exact sums behind supplier_figures: blocks of 1,024 suppliers, supplier_id >> 10 (storage/supplier_totals.py).
CREATE TABLE supplier_totals (
    tenant_id integer NOT NULL,
    bucket    integer NOT NULL,
    totals    bytea NOT NULL,             -- by supplier: kg, size, size from own data, size x mean of the scores
    spend     bytea NOT NULL DEFAULT '',  -- by supplier and currency: money, kg of the rows with money
    PRIMARY KEY (tenant_id, bucket)
);

ALTER TABLE supplier_totals ALTER COLUMN totals SET STORAGE EXTERNAL, ALTER COLUMN spend SET STORAGE EXTERNAL;

INSERT INTO supplier_totals (tenant_id, bucket, totals)
SELECT tenant_id, supplier_id >> 10,
    vcci_column(array_agg(supplier_id::numeric))
    || vcci_column(array_agg(emission_count::numeric))
    || vcci_column(array_agg(vcci_high(ug_co2e, 32)))
    || vcci_column(array_agg(vcci_low(ug_co2e, 32)))
    || vcci_column(array_agg(vcci_high(ug_size, 32)))
    || vcci_column(array_agg(vcci_low(ug_size, 32)))
    || vcci_column(array_agg(vcci_high(ug_own, 32)))
    || vcci_column(array_agg(vcci_low(ug_own, 32)))
    || vcci_column(array_agg(vcci_high(ug_scored, 32)))
    || vcci_column(array_agg(vcci_low(ug_scored, 32)))
FROM supplier_figures
GROUP BY 1, 2;

UPDATE supplier_totals SET spend = found.spend
FROM (
    SELECT tenant_id, supplier_id >> 10 AS bucket,
        vcci_column(array_agg(supplier_id::numeric))
        || vcci_column(array_agg(currency_number::numeric))
        || vcci_column(array_agg(emission_count::numeric))
        || vcci_column(array_agg(vcci_high(micros, 32)))
        || vcci_column(array_agg(vcci_low(micros, 32)))
        || vcci_column(array_agg(vcci_high(ug_co2e, 32)))
        || vcci_column(array_agg(vcci_low(ug_co2e, 32))) AS spend
    FROM (
        SELECT *,
            1 + (ascii(currency) - 65) * 676 + (ascii(substr(currency, 2)) - 65) * 26 + ascii(substr(currency, 3)) - 65
                AS currency_number
        FROM supplier_spend
    ) AS numbered
    GROUP BY 1, 2
) AS found
WHERE supplier_totals.tenant_id = found.tenant_id AND supplier_totals.bucket = found.bucket;

DROP TABLE supplier_spend;
DROP FUNCTION vcci_column, vcci_high, vcci_low;

-- What is shown, filtered and ordered by stays a table.
ALTER TABLE supplier_figures
    ALTER COLUMN kg_co2e DROP EXPRESSION,
    ALTER COLUMN data_quality DROP EXPRESSION,
    ALTER COLUMN primary_share DROP EXPRESSION;
ALTER TABLE supplier_figures DROP COLUMN ug_co2e, DROP COLUMN ug_size, DROP COLUMN ug_own, DROP COLUMN ug_scored;
