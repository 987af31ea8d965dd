"""The schema: applied once, by whoever comes first."""

import asyncio
from pathlib import Path

import asyncpg
import pytest
from vcci_engine.errors import WrongState
from vcci_server.storage import migrate as migrations
from vcci_server.storage.migrate import migrate


async def test_a_migrated_database_needs_nothing(database: str) -> None:
    connection = await asyncpg.connect(database)
    assert await migrate(connection) == []
    await connection.close()


async def test_processes_that_migrate_at_once_apply_each_file_once(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in migrations.FOLDER.glob("*.sql"):
        (tmp_path / path.name).write_text(path.read_text())
    (tmp_path / "9001_one.sql").write_text("CREATE TABLE one ();")
    (tmp_path / "9002_two.sql").write_text("CREATE TABLE two ();")
    monkeypatch.setattr(migrations, "FOLDER", tmp_path)
    connections = [await asyncpg.connect(database) for _ in range(3)]
    applied = await asyncio.gather(*map(migrate, connections))
    assert sorted(applied, key=len) == [[], [], ["9001_one", "9002_two"]]
    monkeypatch.undo()
    with pytest.raises(WrongState, match="newer version of vcci: 9001_one, 9002_two"):
        await migrate(connections[0])
    for connection in connections:
        await connection.close()


async def test_a_migration_that_fails_leaves_nothing(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "0001_wrong.sql").write_text("CREATE TABLE half (); SELECT 1 / 0;")
    monkeypatch.setattr(migrations, "FOLDER", tmp_path)
    connection = await asyncpg.connect(database)
    await connection.execute("CREATE SCHEMA empty; SET search_path TO empty")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(connection)
    assert await connection.fetchval("SELECT to_regclass('half')") is None
    assert await connection.fetchval("SELECT count(*) FROM schema_migrations") == 0
    await connection.close()
