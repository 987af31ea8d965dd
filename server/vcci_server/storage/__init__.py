"""The store: PostgreSQL, by asyncpg; statements in queries/*.sql, schema in migrations/*.sql."""
