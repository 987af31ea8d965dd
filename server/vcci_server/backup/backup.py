"""Writes an archive: every table in one snapshot, while the service goes on."""

from collections.abc import Sequence
from pathlib import Path

import asyncpg
from vcci_engine.errors import NotFound

from vcci_server.backup.archive import FORMAT, Manifest, Part, Writer, new_archive
from vcci_server.backup.schema import TENANT, Table, read_tables
from vcci_server.storage.pool import storage_errors
from vcci_server.storage.queries import QUERIES

CONNECTION_SETTINGS = {"application_name": "vcci backup", "timezone": "UTC"}


async def backup(database_url: str, path: Path, tenant: str | None = None) -> Manifest:
    """Write an archive of everything, or of one tenant; raise NotFound when there is no such tenant."""
    with storage_errors():
        db = await asyncpg.connect(database_url, server_settings=CONNECTION_SETTINGS)
        try:
            with new_archive(path) as archive:
                async with db.transaction(isolation="repeatable_read", readonly=True):
                    manifest = await _write(db, archive, tenant)
                archive.close(manifest)
        finally:
            await db.close()
    return manifest


async def _write(db: "asyncpg.Connection[asyncpg.Record]", archive: Writer, tenant: str | None) -> Manifest:
    taken_at = await db.fetchval(QUERIES["now"])  # the first statement makes the snapshot
    tenant_id = await _tenant_id(db, tenant) if tenant is not None else None
    tables = await read_tables(db)
    parts = [await _copy(db, archive, table, tenant_id) for table in _of_tenant(tables, tenant_id)]
    return Manifest(
        format=FORMAT,
        tenant=tenant,
        tenant_id=tenant_id,
        taken_at=taken_at.isoformat(),
        server_version=await db.fetchval("SHOW server_version"),
        migrations=[row["name"] for row in await db.fetch(QUERIES["backup_migrations"])],
        quarters=[row["quarter"].isoformat() for row in await db.fetch(QUERIES["backup_quarters"], tenant_id)],
        months=[row["month"].isoformat() for row in await db.fetch(QUERIES["backup_months"], tenant_id)],
        sequences=[(row["name"], row["column"], row["last"]) for row in await db.fetch(QUERIES["backup_sequences"])],
        parts=parts,
    )


async def _tenant_id(db: "asyncpg.Connection[asyncpg.Record]", name: str) -> int:
    found: int | None = await db.fetchval(QUERIES["select_tenant_id"], name)
    if found is None:
        raise NotFound(f"there is no tenant {name!r}")
    return found


def _of_tenant(tables: Sequence[Table], tenant_id: int | None) -> list[Table]:
    return [table for table in tables if tenant_id is None or TENANT in table.columns]


async def _copy(db: "asyncpg.Connection[asyncpg.Record]", archive: Writer, table: Table, tenant_id: int | None) -> Part:
    args = () if tenant_id is None else (tenant_id,)
    query = table.rows(of_tenant=tenant_id is not None)
    async with archive.table(table.name) as stream:
        told = await db.copy_from_query(query, *args, output=stream.write, format="binary")
    return Part(table.name, list(table.columns), int(told.rpartition(" ")[2]), stream.bytes, stream.sha256)
