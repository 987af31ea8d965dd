"""The schema: applied once, by whoever comes first."""

import asyncio
from datetime import date
from pathlib import Path

import asyncpg
import numpy as np
import pytest
from vcci_engine.errors import WrongState
from vcci_engine.totals import ug_ints, variance_ints
from vcci_server.storage import migrate as migrations
from vcci_server.storage.figures import ROLLUPS
from vcci_server.storage.migrate import migrate
from vcci_server.storage.reading import Filter
from vcci_server.storage.rollups import rolled_up
from vcci_server.storage.sums import month_start
from vcci_server.storage.supplier_figures import read_totals
from vcci_server.storage.supplier_totals import shown


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


OLD_ROWS = """
INSERT INTO tenants (name) VALUES ('t');
INSERT INTO emission_rollups (tenant_id, month, category, method, factor_id, rows, ug_co2e, ug_co2e_mean, variance)
VALUES (1, '2025-02-01', 4, 2, 7, 3, -5, 12345678901234567890, 3 * 2::numeric ^ 80 + 2::numeric ^ 41 + 1),
    (1, '2025-02-01', 4, 2, 0, 2, 9, 9, -1), (1, '2025-04-01', 1, 3, 7, 1, 1, 1, 1);
INSERT INTO supplier_figures
    (tenant_id, supplier_id, emission_count, ug_co2e, ug_size, ug_own, ug_scored, currency, spend, carbon_intensity)
VALUES (1, 5, 4, -8000000000, 16000000000, 4000000000, 40000000000, 'EUR', 2, 1.5),
    (1, 1030, 1, 0, 0, 0, 0, '', NULL, NULL);
INSERT INTO supplier_spend (tenant_id, supplier_id, currency, emission_count, micros, ug_co2e)
VALUES (1, 5, 'EUR', 2, 2000000, 3000000000), (1, 5, 'USD', 1, -7, 1);
"""
FIGURES = "SELECT * FROM supplier_figures ORDER BY supplier_id"


async def test_sums_that_are_stored_already_are_kept_in_columns(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute("CREATE SCHEMA old; SET search_path TO old")
    for path in sorted(migrations.FOLDER.glob("*.sql")):
        if path.name < "0013":
            (tmp_path / path.name).write_text(path.read_text())
    folder = migrations.FOLDER
    monkeypatch.setattr(migrations, "FOLDER", tmp_path)
    await migrate(connection)
    await connection.execute(OLD_ROWS)
    old = [dict(row) for row in await connection.fetch(FIGURES)]
    names = ["0013_columnar_sums", "0019_third_cumulants"]
    for name in names:
        (tmp_path / f"{name}.sql").write_text((folder / f"{name}.sql").read_text())
    assert await migrate(connection) == names

    sums = await rolled_up(connection, asyncio.to_thread, 1, Filter(), ROLLUPS)
    places = zip(map(month_start, sums.keys[0].tolist()), *(key.tolist() for key in sums.keys[1:]), strict=True)
    terms = sums.terms
    values = zip(
        terms.rows.tolist(), ug_ints(terms.ug), ug_ints(terms.mean), variance_ints(terms.variance), strict=True
    )
    assert dict(zip(places, values, strict=True)) == {
        (date(2025, 2, 1), 4, 2, 7): (3, -5, 12345678901234567890, 3 * 2**80 + 2**41 + 1),
        (date(2025, 2, 1), 4, 2, 0): (2, 9, 9, -1),
        (date(2025, 4, 1), 1, 3, 7): (1, 1, 1, 1),
    }
    moments = zip(ug_ints(terms.mean), variance_ints(terms.variance), variance_ints(terms.third), strict=True)
    for mean, variance, third in moments:
        kg, kg2 = mean / 10**9, variance / 2**40
        assert third == pytest.approx(kg2**2 / kg * (3 + kg2 / kg**2) * 2**60, rel=1e-9, abs=1)
    by_method = await connection.fetch("SELECT month, rows, ug_co2e FROM emission_rollups ORDER BY month")
    assert [tuple(row) for row in by_method] == [(date(2025, 2, 1), 5, 4), (date(2025, 4, 1), 1, 1)]

    totals = await read_totals(connection, asyncio.to_thread, 1)
    new = [dict(row) for row in await connection.fetch(FIGURES)]
    made = shown(totals, np.ones(2, np.bool_))
    for number, row in enumerate(new):
        assert {"tenant_id": 1, **{name: column[number] for name, column in made._asdict().items()}} == row
        assert row == {name: value for name, value in old[number].items() if name in row}
    await connection.close()
