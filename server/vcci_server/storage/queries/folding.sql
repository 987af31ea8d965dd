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

-- name: note_fold
-- Of the rows that the fold which was counted last has added.
INSERT INTO folds (tenant_id, fold, upload_id, start_row, stop_row)
SELECT tenant_id, folds, $2, $3, $4 FROM tenants WHERE tenant_id = $1;

-- name: folds_since
-- Behind the fold $2. Index: folds_pkey.
SELECT upload_id, start_row, stop_row FROM folds WHERE tenant_id = $1 AND fold > $2 ORDER BY fold;

-- name: select_rollups
-- Of the quarters that begin in [$2, $3). Index: quarter_rollups_pkey.
SELECT sums FROM quarter_rollups WHERE tenant_id = $1 AND quarter >= $2::date AND quarter < $3::date
ORDER BY quarter;

-- name: rollups_of_quarters
-- Index: quarter_rollups_pkey.
SELECT quarter, sums FROM quarter_rollups WHERE tenant_id = $1 AND quarter = ANY ($2::date[]);

-- name: put_rollups
INSERT INTO quarter_rollups (tenant_id, quarter, n, sums)
SELECT $1, quarter, n, sums FROM unnest($2::date[], $3::integer[], $4::bytea[]) AS given (quarter, n, sums)
ON CONFLICT (tenant_id, quarter) DO UPDATE SET n = excluded.n, sums = excluded.sums;

-- name: delete_empty_blocks
DELETE FROM quarter_rollups WHERE tenant_id = $1 AND n = 0;

-- name: add_to_rollups
-- Sums come as limbs (engine: totals.py): the driver encodes integers twenty times faster than numeric.
-- Index: emission_rollups_by_method.
INSERT INTO emission_rollups AS kept (tenant_id, month, category, method, rows, ug_co2e)
SELECT $1, date '1970-01-01' + day, category, method, rows, ug_high * 4294967296::numeric + ug_low  -- 2^32
FROM unnest($2::integer[], $3::smallint[], $4::smallint[], $5::bigint[], $6::bigint[], $7::bigint[])
    AS given (day, category, method, rows, ug_high, ug_low)
ON CONFLICT (tenant_id, month, category, method) DO UPDATE
SET rows = kept.rows + excluded.rows, ug_co2e = kept.ug_co2e + excluded.ug_co2e;

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
SELECT supplier, own, rows, ug_high, ug_low FROM supplier_summaries
WHERE tenant_id = $1 AND quarter >= $2::date AND quarter < $3::date
ORDER BY quarter, part;

-- name: parts_of_summaries
-- The newest first. Index: supplier_summaries_pkey.
SELECT quarter, part, n FROM supplier_summaries WHERE tenant_id = $1 AND quarter = ANY ($2::date[])
ORDER BY quarter, part DESC;

-- name: take_summaries
-- Index: supplier_summaries_pkey.
DELETE FROM supplier_summaries WHERE tenant_id = $1 AND quarter = ANY ($2::date[]) AND part = ANY ($3::bigint[])
RETURNING quarter, supplier, own, rows, ug_high, ug_low;

-- name: insert_summaries
INSERT INTO supplier_summaries (tenant_id, quarter, n, supplier, own, rows, ug_high, ug_low)
SELECT $1, given.*
FROM unnest($2::date[], $3::integer[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bytea[], $8::bytea[]) AS given;

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

-- name: totals_of_buckets
-- Index: supplier_totals_pkey.
SELECT bucket, totals, spend FROM supplier_totals WHERE tenant_id = $1 AND bucket = ANY ($2::integer[]);

-- name: put_totals
INSERT INTO supplier_totals (tenant_id, bucket, totals, spend)
SELECT $1, given.* FROM unnest($2::integer[], $3::bytea[], $4::bytea[]) AS given
ON CONFLICT (tenant_id, bucket) DO UPDATE SET totals = excluded.totals, spend = excluded.spend;

-- name: put_figures
-- Index: supplier_figures_pkey.
INSERT INTO supplier_figures (
    tenant_id, supplier_id, emission_count, kg_co2e, currency, spend, carbon_intensity, data_quality, primary_share
)
SELECT $1, given.* FROM unnest(
    $2::integer[], $3::bigint[], $4::float8[], $5::text[], $6::float8[], $7::float8[], $8::float8[], $9::float8[]
) AS given
ON CONFLICT (tenant_id, supplier_id) DO UPDATE
SET emission_count = excluded.emission_count, kg_co2e = excluded.kg_co2e, currency = excluded.currency,
    spend = excluded.spend, carbon_intensity = excluded.carbon_intensity, data_quality = excluded.data_quality,
    primary_share = excluded.primary_share;

-- name: count_change_of_figures
-- So that readers know when what they keep is old.
UPDATE tenants SET figures = figures + 1 WHERE tenant_id = $1;

-- name: delete_figures
DELETE FROM supplier_figures WHERE tenant_id = $1 AND supplier_id = ANY ($2::integer[]);

-- What `vcci doctor` compares with the rows.

-- name: folded_uploads
SELECT upload_id, folded_rows FROM uploads WHERE tenant_id = $1 AND state <> 'abandoned' AND folded_rows > 0
ORDER BY upload_id;

-- name: all_grades
SELECT month, grade, rows, ug_co2e FROM grade_rollups WHERE tenant_id = $1;

-- name: all_rollups
SELECT month, category, method, rows, ug_co2e FROM emission_rollups WHERE tenant_id = $1;

-- name: all_totals
SELECT totals, spend FROM supplier_totals WHERE tenant_id = $1 ORDER BY bucket;

-- name: all_figures
SELECT supplier_id, emission_count, kg_co2e, currency, spend, carbon_intensity, data_quality, primary_share
FROM supplier_figures WHERE tenant_id = $1 ORDER BY supplier_id;

-- name: pending_figure_changes
SELECT columns FROM supplier_figure_changes WHERE tenant_id = $1;
