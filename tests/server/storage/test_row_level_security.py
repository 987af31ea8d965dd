"""The database itself keeps tenants apart: whatever a call asks, its role sees the rows of the tenant that is bound."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import numpy as np
import pytest
from vcci_engine.results import Reason, RowErrors
from vcci_server.storage import migrate as migrations
from vcci_server.storage import uploads
from vcci_server.storage.ingest import commit_batches
from vcci_server.storage.migrate import migrate
from vcci_server.storage.partitions import PartitionKeeper
from vcci_server.storage.pool import READER, WRITER, Pool, bind_tenant, open_pool
from vcci_server.storage.suppliers import SupplierFields, SupplierStore

from tests.server.storage.samples import batch

WRONG = RowErrors(np.array([1], np.uint32), (Reason.NEGATIVE,), ("quantity",), ("-1",), ("0 or more",))
VALUES = {
    "integer": "7",
    "smallint": "7",
    "bigint": "7",
    "numeric": "7",
    "date": "'2024-01-01'",
    "bytea": "''",
    "text[]": "'{}'",
}
TABLES = """
SELECT c.oid::regclass::text AS name, c.relrowsecurity AND c.relforcerowsecurity AS forced
FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
"""
PARTITIONS = """
SELECT relid::regclass::text AS name
FROM pg_partition_tree('emission_segments') WHERE relid <> 'emission_segments'::regclass
"""


@pytest.fixture
async def reader(database: str) -> AsyncIterator[Pool]:
    async with open_pool(database, size=1, role=READER) as pool:
        yield pool


@pytest.fixture
async def writer(database: str) -> AsyncIterator[Pool]:
    async with open_pool(database, size=1, role=WRITER) as pool:
        yield pool


async def _new_tenant(pool: Pool) -> int:
    tenant_id: int = await pool.fetchval("INSERT INTO tenants (name) VALUES ($1) RETURNING tenant_id", uuid4().hex)
    return tenant_id


async def _stored(owner: Pool, writer: Pool, tenant_id: int) -> int:
    """Store an upload with a supplier and some rows, as a call does; return its id."""
    bind_tenant(tenant_id)
    await SupplierStore(writer).upsert(tenant_id, [SupplierFields("S1", "Acme")])
    made = await uploads.create(
        writer, tenant_id, request_id=uuid4().hex, display_name="", mode="committed", allow_negative=False
    )
    opened = await uploads.open_upload(writer, tenant_id, made.upload_id)
    committed = await commit_batches(
        writer, PartitionKeeper(owner), tenant_id, made.upload_id, opened.epoch, [batch(0, 4, errors=WRONG)]
    )
    assert committed > 0
    return made.upload_id


async def test_every_table_of_tenants_is_under_forced_row_level_security(pool: Pool) -> None:
    tables = await pool.fetch(TABLES)
    assert len(tables) > 20
    assert not [table["name"] for table in tables if not table["forced"]]


async def test_the_roles_own_nothing_and_pass_by_nothing(pool: Pool) -> None:
    found = await pool.fetch(
        "SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcanlogin AS strong, "
        "EXISTS (SELECT FROM pg_class WHERE relowner = r.oid) AS owns FROM pg_roles AS r WHERE rolname = ANY ($1)",
        [READER, WRITER],
    )
    assert [tuple(role) for role in found] == [(False, False), (False, False)]


async def test_a_tenant_sees_its_own_rows_whatever_is_asked(pool: Pool, reader: Pool, writer: Pool) -> None:
    first, second = await _new_tenant(pool), await _new_tenant(pool)
    for tenant_id in (first, second):
        await _stored(pool, writer, tenant_id)
    seen = set()
    for role in (reader, writer):
        for bound, other in ((first, second), (second, first), (first, second)):  # on one connection
            bind_tenant(bound)
            for table in await pool.fetch(TABLES):
                name = table["name"]
                assert await role.fetchval(f"SELECT count(*) FROM {name} WHERE tenant_id <> $1", bound) == 0, name
                own = await role.fetchval(f"SELECT count(*) FROM {name}")
                assert own == await pool.fetchval(f"SELECT count(*) FROM {name} WHERE tenant_id = $1", bound), name
                if own and await pool.fetchval(f"SELECT count(*) FROM {name} WHERE tenant_id = $1", other):
                    seen.add(name)
    assert {"tenants", "uploads", "suppliers", "emission_segments", "row_errors"} <= seen


async def test_without_a_tenant_nothing_is_read(reader: Pool) -> None:
    async def ask() -> None:
        await reader.fetchval("SELECT count(*) FROM uploads")

    with pytest.raises(LookupError):
        await asyncio.create_task(ask())


async def test_a_reader_writes_nothing(pool: Pool, reader: Pool, tenant_id: int) -> None:
    bind_tenant(tenant_id)
    for table in await pool.fetch(TABLES):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await reader.execute(f"DELETE FROM {table['name']}")


async def test_a_writer_changes_nothing_of_another_tenant(pool: Pool, writer: Pool) -> None:
    first, second = await _new_tenant(pool), await _new_tenant(pool)
    upload_id = await _stored(pool, writer, first)
    bind_tenant(second)
    for change in ("UPDATE uploads SET state = 'abandoned'", "DELETE FROM emission_segments", "DELETE FROM suppliers"):
        await writer.execute(f"{change} WHERE tenant_id = $1", first)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await writer.execute("INSERT INTO suppliers (tenant_id, code) VALUES ($1, 'S2')", first)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await SupplierStore(writer).upsert(first, [SupplierFields("S1", "mine")])
    assert (await uploads.get(pool, first, upload_id)).state == "open"
    assert await pool.fetchval("SELECT count(*) FROM emission_segments WHERE tenant_id = $1", first) > 0
    assert await pool.fetchval("SELECT display_name FROM suppliers WHERE tenant_id = $1", first) == "Acme"


async def test_partitions_are_no_way_round(pool: Pool, reader: Pool, writer: Pool, tenant_id: int) -> None:
    await _stored(pool, writer, tenant_id)
    partitions = [row["name"] for row in await pool.fetch(PARTITIONS)]
    assert len(partitions) > 1
    for role in (reader, writer):
        for name in partitions:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await role.fetchval(f"SELECT count(*) FROM {name}")


async def test_a_login_that_may_make_no_roles_is_told_what_is_needed(
    plain: str, database: str, database_url: str
) -> None:
    url = plain
    connection = await asyncpg.connect(url)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="have an administrator run") as raised:
        await migrate(connection)
    admin = await asyncpg.connect(database_url)
    await admin.execute(
        str(raised.value).split("; ")[2].strip('"')
    )  # the roles are there: what is left is to grant them
    await admin.close()
    await migrate(connection)
    await connection.close()
    async with open_pool(url, size=2) as owner, open_pool(url, size=1, role=WRITER) as writer:
        tenant_id = await _new_tenant(owner)
        await _stored(owner, writer, tenant_id)
        assert await owner.fetchval("SELECT count(*) FROM emission_segments") > 0


async def test_what_was_stored_before_is_there_afterwards(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute("CREATE SCHEMA before; SET search_path TO before")
    folder = migrations.FOLDER
    for path in folder.glob("*.sql"):
        if path.name < "0016":
            (tmp_path / path.name).write_text(path.read_text())
    with monkeypatch.context() as patched:
        patched.setattr(migrations, "FOLDER", tmp_path)
        await migrate(connection)
    await connection.execute("INSERT INTO tenants (name) VALUES ('t')")
    await connection.execute("SELECT ensure_segment_partition('2024-01-01')")
    columns = await connection.fetch(
        "SELECT attname, atttypid::regtype::text AS kind FROM pg_attribute"
        " WHERE attrelid = 'emission_segments'::regclass AND attnum > 0 AND attnotnull"
    )
    names, values = (", ".join(of) for of in zip(*((f'"{row[0]}"', VALUES[row[1]]) for row in columns), strict=True))
    await connection.execute(f"INSERT INTO emission_segments ({names}) VALUES ({values})")
    (tmp_path / "0016_row_level_security.sql").write_text((folder / "0016_row_level_security.sql").read_text())
    with monkeypatch.context() as patched:
        patched.setattr(migrations, "FOLDER", tmp_path)
        assert await migrate(connection) == ["0016_row_level_security"]
    assert await connection.fetchval("SELECT ensure_segment_partition('2024-04-01')")
    assert await connection.fetchval("SELECT sum(n) FROM emission_segments") == 7
    await connection.close()
