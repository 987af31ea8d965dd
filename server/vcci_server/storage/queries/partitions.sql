-- name: lock_partitions
-- One process makes partitions at a time, until the end of its transaction.
SELECT pg_advisory_xact_lock($1);

-- name: ensure_partitions
-- The first days of the quarters that had no partition yet.
SELECT first_day FROM unnest($1::date[]) AS first_day WHERE ensure_segment_partition(first_day);
