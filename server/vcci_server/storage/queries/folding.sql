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
-- NO KEY: rows that refer to the tenant can still be inserted.
SELECT FROM tenants WHERE tenant_id = $1 FOR NO KEY UPDATE;

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

-- name: select_summaries
-- Index: supplier_summaries_pkey.
SELECT quarter, supplier, rows, ug_high, ug_low FROM supplier_summaries
WHERE tenant_id = $1 AND quarter >= $2::date AND quarter < $3::date
ORDER BY quarter;

-- name: put_summary
INSERT INTO supplier_summaries (tenant_id, quarter, n, supplier, rows, ug_high, ug_low)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (tenant_id, quarter) DO UPDATE
SET n = excluded.n, supplier = excluded.supplier, rows = excluded.rows,
    ug_high = excluded.ug_high, ug_low = excluded.ug_low;

-- name: delete_summary
DELETE FROM supplier_summaries WHERE tenant_id = $1 AND quarter = $2;
