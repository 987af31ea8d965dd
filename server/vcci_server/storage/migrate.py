"""The schema: applies migrations/*.sql in the order of their names, each once, each in a transaction."""

from collections.abc import Collection
from pathlib import Path

from vcci_engine.errors import WrongState

from vcci_server.storage.pool import Connection, storage_errors

FOLDER = Path(__file__).with_name("migrations")
LOCK = 0x7663_6369_0001  # advisory lock of whoever migrates


async def migrate(connection: Connection, *, only: Collection[str] | None = None) -> list[str]:
    """Apply what is missing, or only some of it, and return its names.

    Several processes may do it at once: one does the work.
    """
    with storage_errors():
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
        try:
            return await _apply_missing(connection, only)
        finally:
            await connection.execute("SELECT pg_advisory_unlock($1)", LOCK)


async def missing(connection: Connection) -> list[str]:
    """Return the names of what is not applied yet."""
    with storage_errors():
        applied = await applied_migrations(connection)
    return [path.stem for path in sorted(FOLDER.glob("*.sql")) if path.stem not in applied]


async def _apply_missing(connection: Connection, only: Collection[str] | None) -> list[str]:
    applied = await applied_migrations(connection)
    files = {path.stem: path for path in sorted(FOLDER.glob("*.sql"))}
    if newer := applied.union(only or ()) - files.keys():
        raise WrongState(f"The database was migrated by a newer version of vcci: {', '.join(sorted(newer))}")
    due = [name for name in files if name not in applied and (only is None or name in only)]
    for name in due:
        async with connection.transaction():
            await connection.execute(files[name].read_text(encoding="utf-8"))
            await connection.execute("INSERT INTO schema_migrations (name) VALUES ($1)", name)
    if await connection.fetchval("SELECT to_regprocedure('protect_tenant_tables()') IS NOT NULL"):
        await connection.execute("SELECT protect_tenant_tables()")  # a migration may have made further ones
    return due


async def applied_migrations(connection: Connection) -> set[str]:
    """Return the names of what is applied."""
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations"
        " (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    return {record["name"] for record in await connection.fetch("SELECT name FROM schema_migrations")}
