-- name: select_tenant_id
-- Index: tenants_name_key.
SELECT tenant_id FROM tenants WHERE name = $1;

-- name: ensure_tenant
-- The update changes nothing; without it a tenant that exists would not be returned.
INSERT INTO tenants (name) VALUES ($1) ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING tenant_id;

-- name: all_tenants
SELECT tenant_id, name FROM tenants ORDER BY tenant_id;
