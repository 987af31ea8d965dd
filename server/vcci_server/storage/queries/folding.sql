-- Rollups are folded in the background from the segments, and unfolded when an upload is abandoned. An upload's row
-- guards how far it is folded; the tenant's row guards what two uploads could both change, its rollups and summaries.

-- name: uploads_to_fold
-- Partial index: uploads_to_fold. $1: rows that are worth folding while an upload goes on; $2: quiet time.
SELECT tenant_id, upload_id FROM uploads
WHERE state <> 'abandoned' AND NOT merged AND folded_rows < committed_rows
    AND (
        state = 'finalized'
        OR mode = 'committed' AND (committed_rows - folded_rows >= $1 OR updated_at < now() - $2::interval)
    )
ORDER BY tenant_id, upload_id
LIMIT 100;

-- name: rows_to_fold
-- Of an upload that is seen. Index: uploads_pkey.
SELECT folded_rows, committed_rows FROM uploads
WHERE tenant_id = $1 AND upload_id = $2 AND state <> 'abandoned' AND (mode = 'committed' OR state = 'finalized');

-- name: advance_folded
-- Takes the upload's row, so that it is not abandoned meanwhile; nothing when it was, or when another leader was faster.
UPDATE uploads SET folded_rows = $4
WHERE tenant_id = $1 AND upload_id = $2 AND folded_rows = $3 AND state <> 'abandoned'
RETURNING folded_rows;

-- name: lock_folded_rows
SELECT folded_rows FROM uploads WHERE tenant_id = $1 AND upload_id = $2 FOR UPDATE;

-- name: lock_rollups
-- Counts the folds, so that readers know when what they keep is old. Rows that refer to the tenant can be inserted.
UPDATE tenants SET folds = folds + 1 WHERE tenant_id = $1;

-- name: add_to_rollups
-- Sums come as limbs (engine: totals.py): the driver encodes integers twenty times faster than numeric.
-- Index: emission_rollups_pkey.
INSERT INTO emission_rollups AS kept
    (tenant_id, month, category, method, factor_id, rows, ug_co2e, ug_co2e_mean, variance)
SELECT $1, date '1970-01-01' + day, category, method, factor_id, rows,
    ug_high * 4294967296::numeric + ug_low,  -- 2^32
    mean_high * 4294967296::numeric + mean_low,
    (variance_high * 1099511627776::numeric + variance_middle) * 1099511627776 + variance_low  -- 2^40
FROM unnest(
    $2::integer[], $3::smallint[], $4::smallint[], $5::integer[], $6::bigint[],
    $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[]
) AS given (
    day, category, method, factor_id, rows,
    ug_high, ug_low, mean_high, mean_low, variance_high, variance_middle, variance_low
)
ON CONFLICT (tenant_id, month, category, method, factor_id) DO UPDATE
SET rows = kept.rows + excluded.rows,
    ug_co2e = kept.ug_co2e + excluded.ug_co2e,
    ug_co2e_mean = kept.ug_co2e_mean + excluded.ug_co2e_mean,
    variance = kept.variance + excluded.variance;

-- name: delete_empty_rollups
-- What is left when an upload is unfolded: sums are exact, so those without rows are zero.
DELETE FROM emission_rollups WHERE tenant_id = $1 AND rows = 0;

-- name: add_to_grades
-- Index: grade_rollups_pkey.
INSERT INTO grade_rollups AS kept (tenant_id, month, grade, rows, ug_co2e)
SELECT $1, date '1970-01-01' + day, grade, rows, ug_high * 4294967296::numeric + ug_low  -- 2^32
FROM unnest($2::integer[], $3::smallint[], $4::bigint[], $5::bigint[], $6::bigint[])
    AS given (day, grade, rows, ug_high, ug_low)
ON CONFLICT (tenant_id, month, grade) DO UPDATE
SET rows = kept.rows + excluded.rows, ug_co2e = kept.ug_co2e + excluded.ug_co2e;

-- name: delete_empty_grades
DELETE FROM grade_rollups WHERE tenant_id = $1 AND rows = 0;

-- name: select_summaries
-- Index: supplier_summaries_pkey.
SELECT quarter, supplier, own, rows, ug_high, ug_low FROM supplier_summaries
WHERE tenant_id = $1 AND quarter >= $2::date AND quarter < $3::date
ORDER BY quarter;

-- name: put_summary
INSERT INTO supplier_summaries (tenant_id, quarter, n, supplier, own, rows, ug_high, ug_low)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (tenant_id, quarter) DO UPDATE
SET n = excluded.n, supplier = excluded.supplier, own = excluded.own, rows = excluded.rows,
    ug_high = excluded.ug_high, ug_low = excluded.ug_low;

-- name: delete_summary
DELETE FROM supplier_summaries WHERE tenant_id = $1 AND quarter = $2;

-- name: note_figure_change
INSERT INTO supplier_figure_changes (tenant_id, rows, n, columns) VALUES ($1, $2, $3, $4);

-- name: tenants_with_figure_changes
-- The oldest change of each is older than $1. A few rows at most, of what was folded in the last seconds.
SELECT tenant_id FROM supplier_figure_changes
GROUP BY tenant_id HAVING min(created_at) <= now() - $1::interval
ORDER BY tenant_id;

-- name: try_to_count_figures
-- One process writes a tenant's figures at a time; another comes again.
SELECT pg_try_advisory_xact_lock($1, $2);

-- name: take_figure_changes
-- The oldest, up to about $2 entries, one at least. Index: supplier_figure_changes_pkey.
DELETE FROM supplier_figure_changes USING (
    SELECT tenant_id, change_id, sum(n) OVER (ORDER BY change_id) - n AS before
    FROM supplier_figure_changes WHERE tenant_id = $1
) AS listed
WHERE supplier_figure_changes.tenant_id = listed.tenant_id AND supplier_figure_changes.change_id = listed.change_id
    AND before < $2
RETURNING supplier_figure_changes.columns;

-- name: add_to_spend
-- Index: supplier_spend_pkey.
INSERT INTO supplier_spend AS kept (tenant_id, supplier_id, currency, emission_count, micros, ug_co2e)
SELECT $1, supplier_id, currency, emission_count,
    micros_high * 4294967296::numeric + micros_low, ug_high * 4294967296::numeric + ug_low  -- 2^32
FROM unnest($2::integer[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
    AS given (supplier_id, currency, emission_count, micros_high, micros_low, ug_high, ug_low)
ON CONFLICT (tenant_id, supplier_id, currency) DO UPDATE
SET emission_count = kept.emission_count + excluded.emission_count,
    micros = kept.micros + excluded.micros, ug_co2e = kept.ug_co2e + excluded.ug_co2e;

-- name: delete_empty_spend
DELETE FROM supplier_spend WHERE tenant_id = $1 AND supplier_id = ANY ($2::integer[]) AND emission_count = 0;

-- name: add_to_figures
-- After add_to_spend. Indexes: supplier_figures_pkey, supplier_spend_pkey.
INSERT INTO supplier_figures AS kept (
    tenant_id, supplier_id, emission_count, ug_co2e, ug_size, ug_own, ug_scored, currency, spend, carbon_intensity
)
SELECT $1, given.supplier_id, given.emission_count,
    ug_high * 4294967296::numeric + ug_low, size_high * 4294967296::numeric + size_low,  -- 2^32
    own_high * 4294967296::numeric + own_low, scored_high * 4294967296::numeric + scored_low,
    coalesce(most.currency, ''), most.micros::double precision / 1e6,
    -- micrograms / 1e9 per millionths / 1e6
    CASE WHEN most.micros > 0 THEN most.ug_co2e::double precision / most.micros::double precision / 1e3 END
FROM unnest(
    $2::integer[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[],
    $10::bigint[], $11::bigint[]
) AS given (
    supplier_id, emission_count, ug_high, ug_low, size_high, size_low, own_high, own_low, scored_high, scored_low
)
LEFT JOIN LATERAL (
    SELECT currency, micros, ug_co2e FROM supplier_spend AS spend
    WHERE spend.tenant_id = $1 AND spend.supplier_id = given.supplier_id
    ORDER BY emission_count DESC, currency LIMIT 1
) AS most ON true
ON CONFLICT (tenant_id, supplier_id) DO UPDATE
SET emission_count = kept.emission_count + excluded.emission_count,
    ug_co2e = kept.ug_co2e + excluded.ug_co2e, ug_size = kept.ug_size + excluded.ug_size,
    ug_own = kept.ug_own + excluded.ug_own, ug_scored = kept.ug_scored + excluded.ug_scored,
    currency = excluded.currency, spend = excluded.spend, carbon_intensity = excluded.carbon_intensity;

-- name: delete_empty_figures
DELETE FROM supplier_figures WHERE tenant_id = $1 AND supplier_id = ANY ($2::integer[]) AND emission_count = 0;

-- What `vcci doctor` compares with the rows.

-- name: folded_uploads
SELECT upload_id, folded_rows FROM uploads WHERE tenant_id = $1 AND state <> 'abandoned' AND folded_rows > 0
ORDER BY upload_id;

-- name: all_grades
SELECT month, grade, rows, ug_co2e FROM grade_rollups WHERE tenant_id = $1;

-- name: all_figures
SELECT supplier_id, emission_count, ug_co2e, ug_size, ug_scored FROM supplier_figures WHERE tenant_id = $1;

-- name: pending_figure_changes
SELECT columns FROM supplier_figure_changes WHERE tenant_id = $1;
