"""Reads an archive into a database that has none of what it holds, all or nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime
from pathlib import Path

import asyncpg
from vcci_engine.errors import WrongState

from vcci_server.backup.archive import Manifest, Part, Reader, opened_archive
from vcci_server.backup.backup import CONNECTION_SETTINGS
from vcci_server.backup.schema import quoted
from vcci_server.storage import audit
from vcci_server.storage.audit import Event
from vcci_server.storage.migrate import applied_migrations, migrate
from vcci_server.storage.pool import storage_errors
from vcci_server.storage.queries import QUERIES


async def restore(database_url: str, path: Path) -> Manifest:
    """Restore an archive, and bring the schema up to date; raise WrongState when there is something already."""
    with opened_archive(path) as archive, storage_errors():
        db = await asyncpg.connect(database_url, server_settings=CONNECTION_SETTINGS)
        try:
            await _prepare(db, archive.manifest)
            async with db.transaction():
                await _fill(db, archive)
            await migrate(db)
            await db.execute("ANALYZE")
        finally:
            await db.close()
    return archive.manifest


async def _prepare(db: "asyncpg.Connection[asyncpg.Record]", manifest: Manifest) -> None:
    """Have the schema that the archive was taken of."""
    wanted = set(manifest.migrations)
    applied = await applied_migrations(db)
    if not applied:
        await migrate(db, only=wanted)
    elif applied != wanted:
        raise WrongState(
            f"the archive has the schema of {max(wanted)}, the database that of {max(applied)}: restore into a "
            "database without any tables, which gets the archive's schema and is brought up to date afterwards"
        )


async def _fill(db: "asyncpg.Connection[asyncpg.Record]", archive: Reader) -> None:
    manifest = archive.manifest
    await db.execute(QUERIES["lock_tenants"])
    await _check_empty(db, manifest)
    await db.execute(QUERIES["ensure_partitions"], list(map(date.fromisoformat, manifest.quarters)))
    await db.execute(QUERIES["ensure_audit_partitions"], list(map(datetime.fromisoformat, manifest.months)))
    for part in manifest.parts:
        await _copy(db, archive, part)
    for table, column, last in manifest.sequences:
        await db.execute(QUERIES["go_on_from"], table, column, last)
    await _note(db, manifest)


async def _check_empty(db: "asyncpg.Connection[asyncpg.Record]", manifest: Manifest) -> None:
    tenants = {row["tenant_id"]: row["name"] for row in await db.fetch(QUERIES["all_tenants"])}
    if manifest.tenant is None:
        if tenants:
            raise WrongState(f"the database is not empty: it has the tenant {min(tenants.values())!r}")
        return
    if manifest.tenant in tenants.values():
        raise WrongState(f"the database has a tenant {manifest.tenant!r} already")
    if manifest.tenant_id in tenants:
        raise WrongState(
            f"tenant {manifest.tenant!r} has the number {manifest.tenant_id}, which is that of another tenant here, "
            f"{tenants[manifest.tenant_id]!r}: restore it into a database of its own"
        )


async def _copy(db: "asyncpg.Connection[asyncpg.Record]", archive: Reader, part: Part) -> None:
    try:
        async with _as_owner(db, part.table):
            told = await db.copy_to_table(
                part.table, source=archive.chunks(part), columns=part.columns, format="binary"
            )
    except asyncpg.UniqueViolationError as error:
        detail = "its numbers are taken by other tenants here: restore it into a database of its own"
        raise WrongState(f"the archive's {part.table} cannot be added: {detail}") from error
    rows = int(told.rpartition(" ")[2])
    if rows != part.rows:
        raise WrongState(f"the archive is damaged: {part.table} has {rows} rows, the manifest says {part.rows}")


@asynccontextmanager
async def _as_owner(db: "asyncpg.Connection[asyncpg.Record]", table: str) -> AsyncIterator[None]:
    """Let the owner of a table copy into it, which row-level security refuses unless it is a superuser."""
    restricted = await db.fetchval(QUERIES["is_restricted"], table)
    if restricted:
        await db.execute(QUERIES["free_owner"].format(table=quoted(table)))
    yield
    if restricted:
        await db.execute(QUERIES["restrict_owner"].format(table=quoted(table)))


async def _note(db: "asyncpg.Connection[asyncpg.Record]", manifest: Manifest) -> None:
    """Say in each tenant's audit log that it was restored."""
    with audit.by_itself("Restore"):
        for row in await db.fetch(QUERIES["all_tenants"]):
            if manifest.tenant in (None, row["name"]):
                await audit.append(
                    db, row["tenant_id"], Event(f"tenants/{row['name']}", None, {"backup_of": manifest.taken_at})
                )
