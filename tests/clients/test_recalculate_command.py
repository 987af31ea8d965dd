"""`vcci recalculate`, `vcci runs` and `vcci operations`, as a person or a program uses them."""

import csv
from pathlib import Path
from uuid import uuid4

import pytest

from tests.clients.commands import Commands
from tests.server_process import ServerProcess
from tests.waiting import wait_until

HEADER = "supplier_code,category,reporting_period,quantity,unit,factor\n"
FACTORS = "source,code,name,region,year,unit,kg_co2e,gwp_set,gsd2,source_note\n"


@pytest.fixture(scope="module")
def server(shared_server: ServerProcess) -> ServerProcess:
    """The server, for a tenant of this file's own: other sets are activated."""
    return shared_server.for_own_tenant()


@pytest.fixture
def commands(server: ServerProcess) -> Commands:
    return Commands(server)


@pytest.fixture
def inventory(commands: Commands, tmp_path: Path) -> tuple[str, str]:
    """An upload of two rows in 2023 and one in 2024, and a set in which steel is dearer and paint is no more."""
    code = uuid4().hex
    rows = [
        f"S-1,1,2023-05-17,100,kg,t:steel-{code}",
        f"S-2,2,2023-06-17,10,kg,t:paint-{code}",
        f"S-1,1,2024-05-17,50,kg,t:steel-{code}",
    ]
    (tmp_path / "rows.csv").write_text(HEADER + "\n".join(rows) + "\n")
    sets = []
    for name, values in (("old", {"steel": 2.0, "paint": 5.0}), ("new", {"steel": 3.0})):
        lines = [f"t,{of}-{code},{of},,2023,kg,{kg},AR5,1.1,made for a test" for of, kg in values.items()]
        path = tmp_path / f"{name}.csv"
        path.write_text(FACTORS + "\n".join(lines) + "\n")
        flags = ["--activate"] if name == "old" else []
        sets += [found["name"] for found in commands.lines("factors", "import", str(path), *flags)]
    before = sets[0]
    assert before != sets[1]
    uploaded = commands.lines("upload", str(tmp_path / "rows.csv"))
    return uploaded[-1]["upload"], sets[1]


def test_a_year_is_restated_and_the_table_says_what_changed_and_why(
    commands: Commands, inventory: tuple[str, str], tmp_path: Path
) -> None:
    upload, new = inventory
    asked = ("--factor-set", new.rpartition("/")[2], "--upload", upload, "--year", "2023", "--threshold", "0.3")
    output = commands.run("recalculate", *asked, "--name", "dearer steel").output
    (listed,) = [run for run in commands.lines("runs", "list") if run["display_name"] == "dearer steel"]
    assert f"{listed['name']} dearer steel succeeded: 2 of 2 rows" in output.replace("\n", " ")
    assert "1 rows could not be calculated" in output
    words = " ".join(output.split())
    assert "1 1 0.200 0.300 +0.100 +50.00 significant factor_value +0.100 (1 rows)" in words
    assert "2 1 0.050 0.050 +0.000 +0.00 not_calculable +0.000 (1 rows)" in words
    assert "all 2 0.250 0.350 +0.100 +40.00 significant" in words

    (shown,) = commands.lines("runs", "show", listed["name"])
    assert shown["total"]["difference_kg_co2e"] == {"value": "100"}
    assert [of["supplier_code"] for of in commands.lines("runs", "differences", listed["name"])] == ["S-1", "S-2"]
    assert "factor_value" in commands.run("runs", "differences", listed["name"]).output
    (error,) = commands.lines("runs", "errors", listed["name"])
    assert (error["upload"], error["row_error"]["row"]) == (upload, "1")
    assert "UNKNOWN_FACTOR" in commands.run("runs", "errors", listed["name"]).output
    assert listed["name"] in commands.run("runs", "list").output

    as_of = commands.lines("dashboard", "--period", "2023", "--as-of", listed["name"])
    plain = commands.lines("dashboard", "--period", "2023")
    restated, before = (of[0]["total"]["estimate"]["kg_co2e"] for of in (as_of, plain))
    assert restated - before == pytest.approx(100)
    assert (
        f"2024-01, as of {listed['name']}:"
        in commands.run("dashboard", "--period", "2023", "--as-of", listed["name"][5:]).output
    )

    wait_until(lambda: "not counted" not in commands.run("suppliers", "list").stderr)
    ingested, dearer = (
        commands.lines("suppliers", "show", "S-1", *of)[0] for of in ((), ("--as-of", listed["name"][5:]))
    )
    assert dearer["kg_co2e"] - ingested["kg_co2e"] == pytest.approx(100)
    (largest, *_) = commands.lines("suppliers", "list", "--by", "emissions", "--desc", "--as-of", listed["name"])
    assert (largest["code"], largest["kg_co2e"]) == ("S-1", dearer["kg_co2e"])

    exported = tmp_path / "as_of.csv"
    commands.run("emissions", "export", str(exported), "--upload", upload, "--as-of", listed["name"])
    with exported.open(newline="") as file:
        values = sorted(float(row["kg_co2e"]) for row in csv.DictReader(file))
    assert values == [50.0, 100.0, 300.0]


def test_a_run_is_deleted_by_its_name(commands: Commands, inventory: tuple[str, str]) -> None:
    upload, new = inventory
    (run,) = commands.lines("recalculate", "--factor-set", new, "--upload", upload)
    assert commands.run("runs", "delete", run["name"]).output == f"{run['name']} is deleted\n"
    assert run["name"] not in [listed["name"] for listed in commands.lines("runs", "list")]
    assert "There is no such run" in commands.run("runs", "delete", run["name"][5:], status=1).output


def test_an_operation_that_is_done_stays_as_it_is_when_it_is_cancelled(
    commands: Commands, inventory: tuple[str, str]
) -> None:
    upload, new = inventory
    (run,) = commands.lines("recalculate", "--factor-set", new, "--upload", upload)
    cancelled = commands.lines("operations", "cancel", run["operation"])
    assert cancelled == [
        {"name": run["operation"], "done": True, "work": "recalculation", "state": "succeeded"},
    ]
    assert cancelled[0] in commands.lines("operations", "list")
    assert run["operation"] in commands.run("operations", "list").output


@pytest.mark.parametrize(
    "asked", [("--year", "2023", "--from", "2023-01-01"), ("--as-of", "1"), ("--threshold", "2"), ("--year", "23")]
)
def test_a_wrong_command_is_told(commands: Commands, asked: tuple[str, ...]) -> None:
    assert "Error" in commands.run("recalculate", *asked, status=2).output


def test_what_the_server_refuses_is_told_in_a_paragraph(commands: Commands) -> None:
    output = commands.run("recalculate", "--factor-set", "999999", status=1).output
    assert "There is no such factor set" in output
    assert "Traceback" not in output
