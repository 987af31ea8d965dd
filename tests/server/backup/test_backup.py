"""What is restored is what was backed up: the same bytes, the same answers, numbers that go on, or nothing at all."""

import asyncio
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
from click.testing import CliRunner
from google.protobuf.message import Message
from vcci.v1.factor_service_pb2 import Factor, FactorSetSpec
from vcci.v1.report_service_pb2 import REPORT_FORMAT_CSV
from vcci.v1.supplier_service_pb2 import Supplier
from vcci_client import AsyncClient
from vcci_client.emissions import to_arrow
from vcci_engine.errors import NotFound, WrongState
from vcci_server.__main__ import commands
from vcci_server.backup.archive import MANIFEST, Manifest
from vcci_server.backup.backup import backup
from vcci_server.backup.restore import restore
from vcci_server.backup.schema import TENANT, read_tables
from vcci_server.storage import tenants
from vcci_server.storage.audit_chain import verify
from vcci_server.storage.binaries import Binaries, system_binaries, wheel_binaries
from vcci_server.storage.embedded import EmbeddedServer
from vcci_server.storage.migrate import FOLDER, applied_migrations, migrate
from vcci_server.storage.pool import Pool, open_pool

from tests.server_process import ServerProcess, running_server
from tests.uploads import Uploads, batch, line
from tests.waiting import until

AUDIT = {"audit_events", "audit_heads"}  # restoring is an event itself
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Source:
    """A service with data of two tenants, which goes on, and its archives."""

    server: ServerProcess
    url: str
    everything: Path
    other: Path

    @property
    def manifest(self) -> dict[str, Any]:
        return _manifest(self.everything)


def _manifest(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as file:
        return json.loads(file.read(MANIFEST))  # type: ignore[no-any-return]


@asynccontextmanager
async def calling(server: ServerProcess, tenant: str = tenants.DEFAULT) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(server.listening, server.token(tenant)) as client:
        yield client


async def _fill(server: ServerProcess, tenant: str) -> None:
    """Make something of everything, all of it of this tenant."""
    async with calling(server, tenant) as client:
        uploads = Uploads(client.connection.channel, client.connection.metadata)
        factor = Factor(source="t", code="x", display_name="X", year=2022, unit="kg", kg_co2e=2, source_note="A test")
        steel = Factor(
            source="naics", code="331110", year=2022, unit="USD", kg_co2e=0.787, price_year=2022, source_note="A test",
            display_name="Steel", price_basis="purchaser", margins="with",
        )  # fmt: skip
        await client.import_factor_set(FactorSetSpec(display_name="Mine", activate=True), [factor, steel])
        name = await uploads.create()
        async with uploads.writing(name) as writer:
            wrong = batch(200, 2)
            wrong.columns.quantity[0] = -1
            await writer.ask(batch(0, 200), wrong)
            await writer.end()
        await client.finalize_upload(name)
        await client.batch_upsert_suppliers([Supplier(code="S1", display_name="Süd", country="DE")])
        await client.calculate([line(5.0)], keep=True)
        await client.wait_for_run((await client.recalculate()).name)
        await client.generate_report(REPORT_FORMAT_CSV, request_id="the report")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    folder = tmp_path_factory.mktemp("archives")
    with running_server() as server:
        postgres = EmbeddedServer(server.state_dir)
        made = Source(server, postgres.url, folder / "everything.zip", folder / "other.zip")
        asyncio.run(_prepare(made))
        for path, options in ((made.everything, []), (made.other, ["--tenant", OTHER])):
            done = _command(server.state_dir, "backup", str(path), *options)
            assert done.returncode == 0, done.stderr
        yield made
        postgres.stop()


async def _prepare(source: Source) -> None:
    async with open_pool(source.url, size=1) as pool:
        await tenants.ensure_tenant(pool, OTHER)
    for tenant in (tenants.DEFAULT, OTHER):
        await _fill(source.server, tenant)


def _command(state_dir: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, "VCCI_STATE_DIR": str(state_dir)}
    command = [sys.executable, "-m", "vcci_server", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False, timeout=120)


INSTALLED = [*system_binaries()[:1], *wheel_binaries()[:1]]


@pytest.fixture(scope="module", params=INSTALLED, ids=lambda of: of.version)
def external(request: pytest.FixtureRequest, state_folders: Path) -> Iterator[str]:
    """Another PostgreSQL: the system's, and the wheel's, one of which is of another version than the source's."""
    binaries: Binaries = request.param
    server = EmbeddedServer(state_folders / uuid4().hex, binaries)
    yield server.url
    server.stop()


@pytest.fixture
async def empty(database_url: str) -> AsyncIterator[str]:
    """The URL of a database without any tables."""
    name = f"vcci_test_{uuid4().hex}"
    db = await asyncpg.connect(database_url)
    await db.execute(f"CREATE DATABASE {name}")
    yield urlsplit(database_url)._replace(path=f"/{name}").geturl()
    await db.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await db.close()


async def _answers(server: ServerProcess, tenant: str) -> Sequence[bytes | Message]:
    """What the service says of all that is stored."""
    async with calling(server, tenant) as client:
        uploads = Uploads(client.connection.channel, client.connection.metadata)
        total = await uploads.total()
        emissions = [to_arrow(arrays) async for arrays in client.stream_emissions()]
        dashboard = await client.get_dashboard()
        stored = await client.generate_report(REPORT_FORMAT_CSV, request_id="the report")
        suppliers = [supplier async for supplier in client.list_suppliers()]
        factors = [factor async for factor in client.list_factors()]
        runs = [run async for run in client.list_runs()]
        return [total, dashboard, *emissions, stored.report, stored.file, *suppliers, *factors, *runs]


async def _same_answers(one: ServerProcess, other: ServerProcess, tenant: str) -> bool:
    """Tell whether two services say the same; suppliers' figures follow within seconds."""
    return await _answers(one, tenant) == await _answers(other, tenant)


async def test_the_same_bytes_and_the_same_answers_come_back_and_numbers_go_on(
    source: Source, external: str, tmp_path: Path
) -> None:
    told = await restore(external, source.everything)
    assert [*told.migrations] == source.manifest["migrations"]
    again = await backup(external, tmp_path / "again.zip")
    assert _hashes(again, without=AUDIT) == _hashes(told, without=AUDIT)
    with pytest.raises(WrongState, match="not empty"):
        await restore(external, source.everything)
    async with open_pool(external, size=1) as pool:
        for tenant_id, _ in await tenants.every(pool):
            assert not (await verify(pool, tenant_id)).faults
    with running_server(env={"VCCI_DATABASE_URL": external}) as restored:
        for tenant in (tenants.DEFAULT, OTHER):
            await until(partial(_same_answers, restored, source.server, tenant))
        async with calling(restored) as client:
            before = [int(upload.name.rpartition("/")[2]) async for upload in client.list_uploads()]
            uploads = Uploads(client.connection.channel, client.connection.metadata)
            name = await uploads.create()
            assert int(name.rpartition("/")[2]) > max(before)
            async with uploads.writing(name) as writer:
                assert (await writer.ask(batch(0, 7))).accepted_rows == 7
            (event,) = [event async for event in client.list_audit_events() if event.action == "Restore"]
            assert json.loads(event.after) == {"backup_of": told.taken_at}


def _hashes(manifest: Manifest, without: set[str]) -> dict[str, tuple[int, str]]:
    return {part.table: (part.rows, part.sha256) for part in manifest.parts if part.table not in without}


async def test_a_backup_while_rows_come_in_is_of_one_moment(source: Source, empty: str, tmp_path: Path) -> None:
    async with calling(source.server) as client:
        uploads = Uploads(client.connection.channel, client.connection.metadata)
        name = await uploads.create()
        async with uploads.writing(name) as writer:
            await writer.ask(batch(0, 100))
            taking = asyncio.create_task(backup(source.url, tmp_path / "a.zip"))
            offset = 100
            while not taking.done():
                await writer.ask(batch(offset, 100))
                offset += 100
        await client.abandon_upload(name)  # others compare what is stored
        await taking
    await restore(empty, tmp_path / "a.zip")
    db = await asyncpg.connect(empty)
    row = await db.fetchrow(
        "SELECT committed_rows, (SELECT sum(n) FROM emission_segments AS s WHERE s.upload_id = u.upload_id) AS rows"
        " FROM uploads AS u WHERE upload_id = $1",
        int(name.rpartition("/")[2]),
    )
    await db.close()
    assert row is not None
    assert 100 <= row["committed_rows"] == row["rows"] < offset + 100


async def test_a_tenant_is_restored_alone_and_only_where_it_is_not(source: Source, empty: str, tmp_path: Path) -> None:
    told = await restore(empty, source.other)
    db = await asyncpg.connect(empty)
    for table in await read_tables(db):
        ids = {row[0] for row in await db.fetch(f"SELECT DISTINCT tenant_id FROM {table.name}")}
        assert ids <= {told.tenant_id}, table.name
    again = await backup(empty, tmp_path / "again.zip", OTHER)
    assert _hashes(again, without=AUDIT) == _hashes(told, without=AUDIT)
    with pytest.raises(WrongState, match="has a tenant 'other' already"):
        await restore(empty, source.other)
    with pytest.raises(WrongState, match="not empty"):
        await restore(empty, source.everything)
    await db.execute("UPDATE tenants SET name = 'somebody'")
    with pytest.raises(WrongState, match="is that of another tenant"):
        await restore(empty, source.other)
    await db.close()
    with pytest.raises(NotFound, match="no tenant 'nobody'"):
        await backup(empty, tmp_path / "nobody.zip", "nobody")
    assert not (tmp_path / "nobody.zip").exists()


async def test_the_owner_of_a_database_who_is_no_superuser_restores_and_backs_up(
    source: Source, database_url: str, tmp_path: Path
) -> None:
    name = f"vcci_test_{uuid4().hex}"
    db = await asyncpg.connect(database_url)
    await db.execute(f"CREATE ROLE {name} LOGIN CREATEROLE")
    for role in await db.fetch("SELECT rolname FROM pg_roles WHERE rolname IN ('vcci_reader', 'vcci_writer')"):
        await db.execute(f"GRANT {role['rolname']} TO {name}")
    await db.execute(f"CREATE DATABASE {name} OWNER {name}")
    url = urlsplit(database_url.replace("//vcci@", f"//{name}@"))._replace(path=f"/{name}").geturl()
    told = await restore(url, source.everything)
    again = await backup(url, tmp_path / "again.zip")
    assert _hashes(again, without=AUDIT) == _hashes(told, without=AUDIT)
    here = await asyncpg.connect(url)
    as_before = (
        "SELECT bool_and(relforcerowsecurity) = (to_regprocedure('protect_tenant_tables()') IS NOT NULL)"
        " FROM pg_class WHERE relname IN ('uploads', 'suppliers', 'emission_segments')"
    )
    assert await here.fetchval(as_before)
    await here.close()
    await db.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await db.execute(f"DROP ROLE {name}")
    await db.close()


async def test_a_tenant_is_restored_beside_others(source: Source, empty: str) -> None:
    db = await asyncpg.connect(empty)
    await migrate(db)
    await db.execute("INSERT INTO tenants (name) VALUES ('here before')")
    command = ["restore", str(source.other)]
    done = await asyncio.to_thread(CliRunner().invoke, commands, command, env={"VCCI_DATABASE_URL": empty})
    assert done.exit_code == 0, done.output
    assert "of tenant 'other'" in done.output
    names = {row["name"] for row in await db.fetch("SELECT name FROM tenants")}
    assert names == {"here before", OTHER}
    following = await db.fetchval("INSERT INTO tenants (name) VALUES ('later') RETURNING tenant_id")
    assert following > _manifest(source.other)["tenant_id"]
    await db.close()


@pytest.mark.parametrize("damage", ["a byte", "a row count", "a member", "the end"])
async def test_a_damaged_archive_is_refused_and_nothing_of_it_stays(
    source: Source, empty: str, tmp_path: Path, damage: str
) -> None:
    damaged = tmp_path / "damaged.zip"
    if damage == "the end":
        damaged.write_bytes(source.everything.read_bytes()[:-1_000])
    else:
        _rewrite(source.everything, damaged, damage)
    with pytest.raises(WrongState, match=r"damaged|not a whole one"):
        await restore(empty, damaged)
    db = await asyncpg.connect(empty)
    assert await db.fetchval("SELECT to_regclass('tenants') IS NULL") or not await db.fetchval(
        "SELECT count(*) FROM tenants"
    )
    await db.close()
    assert (await restore(empty, source.everything)).parts


def _rewrite(path: Path, damaged: Path, damage: str) -> None:
    """Copy an archive with something altered, and checksums of ZIP that fit."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(damaged, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "tables/uploads.copy" and damage == "a byte":
                data = data.replace(b"finalized", b"abandoned", 1)
            if name == "tables/uploads.copy" and damage == "a member":
                continue
            if name == MANIFEST and damage == "a row count":
                manifest = json.loads(data)
                manifest["parts"][0]["rows"] += 1
                data = json.dumps(manifest).encode()
            new.writestr(name, data)


async def test_an_archive_of_an_older_schema_is_restored_and_brought_up_to_date(empty: str, tmp_path: Path) -> None:
    every = sorted(path.stem for path in FOLDER.glob("*.sql"))
    db = await asyncpg.connect(empty)
    await migrate(db, only=every[:-1])
    await db.execute("INSERT INTO tenants (name) VALUES ('old')")
    archive = tmp_path / "old.zip"
    await backup(empty, archive)
    with pytest.raises(WrongState, match="not empty"):
        await restore(empty, archive)
    await db.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    assert (await restore(empty, archive)).migrations == every[:-1]
    assert await applied_migrations(db) == set(every)
    assert await db.fetchval("SELECT name FROM tenants") == "old"
    await db.execute("DELETE FROM tenants")
    with pytest.raises(WrongState, match="without any tables"):
        await restore(empty, archive)
    await db.close()


async def test_every_table_is_of_tenants_and_every_partition_is_made_again(pool: Pool) -> None:
    async with pool.acquire() as db:
        assert all(TENANT in table.columns and table.key for table in await read_tables(db))
        partitioned = await db.fetch("SELECT relname FROM pg_class WHERE relkind = 'p' AND NOT relispartition")
    assert {row["relname"] for row in partitioned} == {"emission_segments", "audit_events"}


async def test_an_archive_is_its_owners_only_and_is_never_written_over(source: Source, tmp_path: Path) -> None:
    assert source.everything.stat().st_mode & 0o077 == 0
    before = source.everything.read_bytes()
    with pytest.raises(WrongState, match="exists already"):
        await backup(source.url, source.everything)
    assert source.everything.read_bytes() == before
    text = tmp_path / "a.txt"
    text.write_text("not an archive")
    with pytest.raises(WrongState, match="not an archive"):
        await restore(source.url, text)
