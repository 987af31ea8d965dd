"""`vcci operations`, and what begins them, as a person or a program uses them."""

from pathlib import Path

import pytest

from tests.clients.commands import Commands
from tests.server_process import ServerProcess

ROWS = """supplier_code,category,reporting_period,quantity,unit,factor
S-1,1,2024-05-17,100,kg,t:steel
S-2,2,2024-06-17,10,kg,t:steel
"""
FACTORS = """source,code,name,region,year,unit,kg_co2e,gwp_set,gsd2,source_note
t,steel,Steel,,2024,kg,2.0,AR5,1.1,A handbook; table 1
"""
PLAN = """[[levers]]
display_name = "Half as much"
quantity = { change = -0.5 }
"""


@pytest.fixture(scope="module")
def server(shared_server: ServerProcess) -> ServerProcess:
    return shared_server.for_own_tenant()


@pytest.fixture(scope="module")
def commands(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Commands:
    """Commands against a server with factors and two rows."""
    commands, folder = Commands(server), tmp_path_factory.mktemp("inventory")
    (folder / "factors.csv").write_text(FACTORS)
    (folder / "rows.csv").write_text(ROWS)
    commands.run("factors", "import", str(folder / "factors.csv"), "--activate")
    commands.run("upload", str(folder / "rows.csv"))
    return commands


@pytest.fixture
def plan(tmp_path: Path) -> str:
    path = tmp_path / "plan.toml"
    path.write_text(PLAN)
    return str(path)


def test_scenarios_go_on_at_the_server_and_are_shown_as_if_run(commands: Commands, plan: str) -> None:
    begun = commands.lines("scenario", "start", plan, plan)
    assert [found["work"] for found in begun] == ["scenario", "scenario"]
    for found in begun:
        assert commands.run("operations", "wait", found["name"]).output == commands.run("scenario", "run", plan).stdout
    name = begun[0]["name"]
    (shown,) = commands.lines("operations", "show", name.removeprefix("operations/"))
    assert shown == commands.lines("scenario", "run", plan)[0]
    listed = {found["name"]: found for found in commands.lines("operations", "list")}
    assert listed[name] == {"name": name, "done": True, "work": "scenario", "state": "succeeded"}
    assert name in commands.run("operations", "list").output
    assert f"{name} is deleted" in commands.run("operations", "delete", name).output
    assert "no such operation" in commands.run("operations", "show", name, status=1).output


def test_a_report_is_begun_and_fetched_later(commands: Commands, tmp_path: Path) -> None:
    (begun,) = commands.lines("report", "--format", "csv", "--start")
    told = commands.run("operations", "wait", begun["name"]).output
    name = told.split()[0]
    assert told.startswith("reports/")
    commands.run("reports", "download", name, "-o", str(tmp_path / "report.csv"))
    assert "Steel" in (tmp_path / "report.csv").read_text()


def test_an_upload_is_followed_by_what_was_asked_for(commands: Commands, tmp_path: Path) -> None:
    path = tmp_path / "more.csv"
    path.write_text(ROWS.replace("2024-05", "2023-05"))
    (uploaded,) = commands.lines("upload", str(path), "--then", "hotspots", "--then", "recalculation")
    hotspots, recalculation = uploaded["operations"]
    assert "make 80% of it" in commands.run("operations", "wait", hotspots).output
    assert "succeeded" in commands.run("operations", "wait", recalculation).output
    path.write_text(ROWS.replace("2024-05", "2022-05"))
    assert "Begun: operations/" in commands.run("upload", str(path), "--then", "report").output


def test_an_operation_that_failed_says_why(commands: Commands) -> None:
    (begun,) = commands.lines("report", "--period", "1999", "--start")
    assert "there are no emissions from 1999" in commands.run("operations", "wait", begun["name"], status=1).output
    assert "there are no emissions from 1999" in commands.run("operations", "show", begun["name"]).output
