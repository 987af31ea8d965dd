-- name: select_kept
-- Index: kept_calculations_pkey.
SELECT request_id, upload_id, first_row FROM kept_calculations WHERE tenant_id = $1 AND request_id = ANY($2::text[]);

-- name: insert_kept
-- Fails as a whole when one of the requests was kept before.
INSERT INTO kept_calculations (tenant_id, request_id, upload_id, first_row)
SELECT $1, request_id, $2, first_row FROM unnest($3::text[], $4::bigint[]) AS kept (request_id, first_row);
