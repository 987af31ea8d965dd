-- name: select_tenant_id
-- Index: tenants_name_key.
SELECT tenant_id FROM tenants WHERE name = $1;

-- name: insert_tenant
-- Nothing is returned when there is one of this name.
INSERT INTO tenants (name) VALUES ($1) ON CONFLICT (name) DO NOTHING RETURNING tenant_id;

-- name: all_tenants
SELECT tenant_id, name FROM tenants ORDER BY tenant_id;
