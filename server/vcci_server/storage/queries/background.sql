-- name: try_to_lead
-- Asked again and again, not waited for: a statement that waits keeps a snapshot, and VACUUM from cleaning up.
SELECT pg_try_advisory_lock($1);

-- name: still_leading
-- Fails when the session that holds the lock is gone.
SELECT true;
