"""The command, as a person or a program uses it."""

import json
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from vcci_client.cli import MODULES, vcci
from vcci_client.cli.output import tonnes
from vcci_client.mapping import load_mapping
from vcci_client.server_process import server_command

from tests.clients.samples import CSV, HEADER
from tests.server_process import ServerProcess

Run = Callable[..., Result]
SUMMARY = {
    *("upload", "rows", "committed", "rejected", "duplicates", "seconds", "rows_per_second"),
    *("kg_co2e", "kg_co2e_median", "kg_co2e_low", "kg_co2e_high", "operations"),
}


def run(*arguments: object, **environment: str) -> Result:
    return CliRunner().invoke(vcci, [str(argument) for argument in arguments], env=environment)


@pytest.fixture
def on_server(server: ServerProcess) -> Run:
    """Run a command against the server."""
    return lambda *arguments: run(*arguments, VCCI_SERVER=server.listening, VCCI_TOKEN=server.token())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that no other test has, with one wrong row."""
    path = tmp_path / "activities.csv"
    path.write_text(f"{CSV}S-1,,,1,2024-Q1,{abs(hash(tmp_path)) % 10**9},crate,naics:331110,,\n")
    return path


def test_every_command_helps() -> None:
    names = sorted(MODULES)
    assert names == sorted(
        [
            *(
                "audit",
                "backup",
                "calculate",
                "dashboard",
                "demo",
                "doctor",
                "emissions",
                "explain",
                "factors",
                "hotspots",
                "migrate",
                "operations",
                "scenario",
                "prices",
                "recalculate",
                "report",
                "reports",
                "restore",
                "runs",
                "serve",
                "simulate",
                "suppliers",
                "token",
                "upload",
            ),
            "uploads",
        ]
    )
    for name in set(names) - {"serve", "migrate", "backup", "restore", "doctor", "token"}:  # the server's own help
        assert run(name, "--help").exit_code == 0
    assert run("--version").output.strip() == version("vcci")


def test_the_commands_of_the_server_are_its_own() -> None:
    assert server_command("serve", "--listen", "127.0.0.1:0") == [
        sys.executable,
        *("-m", "vcci_server", "serve", "--listen", "127.0.0.1:0"),
    ]


def test_upload_prints_one_object_and_nothing_else(on_server: Run, file: Path) -> None:
    result = on_server("upload", file, "--json")
    assert result.exit_code == 0
    assert result.stderr == ""
    (line,) = result.stdout.splitlines()
    summary = json.loads(line)
    assert set(summary) == SUMMARY
    assert (summary["rows"], summary["committed"], summary["rejected"]) == (4, 3, 1)


def test_upload_tells_a_person_what_was_stored_and_what_not(on_server: Run, file: Path) -> None:
    first = on_server("upload", file)
    assert first.exit_code == 0
    assert "activities.csv is stored as uploads/" in first.stdout
    assert "Rejected: 1 UNKNOWN_UNIT (unit)." in first.stdout
    second = on_server("upload", file)
    assert second.exit_code == 0
    assert "activities.csv was uploaded before" in second.stdout
    assert "--again" in second.stdout
    assert "is stored as" in on_server("upload", file, "--again").stdout


def test_a_rejected_row_fails_the_command_only_when_strict(on_server: Run, file: Path) -> None:
    assert on_server("upload", file).exit_code == 0
    assert on_server("upload", file, "--strict").exit_code == 1


def test_uploads_are_listed_shown_and_explained(on_server: Run, file: Path, tmp_path: Path) -> None:
    name = json.loads(on_server("upload", file, "--json", "--name", "Spend of May").stdout)["upload"]
    assert "Spend of May" in on_server("uploads", "list").stdout
    shown = json.loads(on_server("uploads", "show", name.removeprefix("uploads/"), "--json").stdout)
    assert (shown["state"], shown["rejected_rows"]) == ("STATE_FINALIZED", "1")
    error = json.loads(on_server("uploads", "errors", name, "--json").stdout)
    assert (error["row"], error["reason"], error["field"], error["value"]) == (3, "UNKNOWN_UNIT", "unit", "crate")
    assert "UNKNOWN_UNIT" in on_server("uploads", "errors", name).stdout
    output = tmp_path / "errors.csv"
    assert on_server("uploads", "errors", name, "--output", output).exit_code == 0
    assert output.read_text().splitlines()[0] == "row,reason,field,value,expected,reference"
    assert "state      abandoned" in on_server("uploads", "abandon", name).stdout


def test_a_pending_upload_is_finalized_by_the_command(on_server: Run, file: Path) -> None:
    name = json.loads(on_server("upload", file, "--json", "--pending").stdout)["upload"]
    assert "finalized" in on_server("uploads", "finalize", name, "--row-count", 4).stdout
    wrong = on_server("uploads", "finalize", name, "--row-count", 5)
    assert wrong.exit_code == 1
    assert wrong.stderr.startswith("Error: ")


def test_factors_are_imported_listed_and_activated(on_server: Run, tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("source,code,name,year,unit,kg_co2e,source_note\ncli,tea,Tea,2024,kg,1.5,Made up\n")
    sets = map(json.loads, on_server("factors", "sets", "--json").stdout.splitlines())
    (before,) = [each for each in sets if each["active"]]
    made = json.loads(on_server("factors", "import", path, "--json", "--base", before["name"]).stdout)
    assert made["factor_count"] == before["factor_count"] + 1
    assert "cli:tea" in on_server("factors", "search", "--set", made["name"], "--source", "cli").stdout
    assert json.loads(on_server("factors", "activate", made["name"], "--json").stdout)["active"]
    assert on_server("factors", "activate", before["name"]).exit_code == 0
    assert "own.csv" in on_server("factors", "sets").stdout
    assert on_server("factors", "import").exit_code == 2


def test_factors_are_searched_by_words_region_year_and_unit(on_server: Run) -> None:
    found = on_server("factors", "search", "electricity", "--region", "de", "--unit", "MWh", "--json")
    assert {json.loads(line)["region"] for line in found.stdout.splitlines()} == {"DE"}
    everywhere = on_server("factors", "search", "electricity", "--region", "world").stdout
    assert "grid:electricity" in everywhere
    assert "naics" not in everywhere
    wrong = on_server("factors", "search", "--unit", "bananas")
    assert wrong.exit_code == 1
    assert "unit: found 'bananas'" in wrong.stderr


def test_a_factor_is_changed_compared_and_activated(on_server: Run) -> None:
    base = json.loads(on_server("factors", "search", "--limit", 1, "--json").stdout)["name"].partition("/factors/")[0]
    change = ("factors", "update", "grid:electricity", "--kg-co2e", 0.5)
    several = on_server(*change)
    assert several.exit_code == 1
    assert "say which with --region and --year" in several.stderr
    changed = on_server(*change, "--region", "DE", "--source-note", "Our supplier")
    assert changed.exit_code == 0
    assert "kg_co2e" in changed.stdout
    made = changed.stdout.rpartition("vcci factors activate ")[2].partition("`")[0]
    assert f"2 of {base}" in on_server("factors", "sets").stdout
    compared = on_server("factors", "diff", base, made.removeprefix("factorSets/"))
    assert "Our supplier" in compared.stdout
    (difference,) = map(json.loads, on_server("factors", "diff", base, made, "--json").stdout.splitlines())
    assert difference["kind"] == "KIND_CHANGED"
    assert "Nothing is different." in on_server("factors", "diff", base, base).stdout
    assert on_server("factors", "activate", made).exit_code == 0
    assert on_server("factors", "activate", base).exit_code == 0
    last, before = map(json.loads, on_server("factors", "history", "--limit", 2, "--json").stdout.splitlines())
    assert (last["factor_set"], last["previous_factor_set"], last["subject"]) == (base, made, "test")
    assert before["factor_set"] == made
    assert base in on_server("factors", "history").stdout


def test_an_update_that_cannot_be_done_says_why(on_server: Run) -> None:
    assert on_server("factors", "update", "fuel:diesel").exit_code == 2
    assert on_server("factors", "update", "fuel:diesel", "--gas", "CO2").exit_code == 2
    none = on_server("factors", "update", "fuel:none", "--kg-co2e", 1)
    assert (none.exit_code, "there is no such factor fuel:none" in none.stderr) == (1, True)
    wrong = on_server("factors", "update", "grid:electricity", "--region", "DE", "--unit", "bananas")
    assert (wrong.exit_code, "factor.unit" in wrong.stderr) == (1, True)


def test_prices_are_imported_listed_and_activated(on_server: Run, tmp_path: Path) -> None:
    starter = json.loads(on_server("prices", "sets", "--json").stdout.splitlines()[-1])
    ecb = tmp_path / "eurofxref-hist.csv"
    ecb.write_text("Date,USD,XOF,\n2024-03-29,1.0811,655.957,\n2024-03-28,1.0811,N/A,\n")
    added = on_server("prices", "import", ecb, "--base", starter["name"].rpartition("/")[2], "--json")
    made = json.loads(added.stdout)
    assert (made["display_name"], made["rate_count"]) == ("eurofxref-hist.csv", starter["rate_count"] + 3)
    listing = ("prices", "list", "--set", made["name"], "--currency", "XOF")
    lines = [json.loads(line) for line in on_server(*listing, "--json").stdout.splitlines()]
    assert [(line["value"], line.get("month", 0)) for line in lines] == [(655.957, 0), (655.957, 3)]
    assert "XOF       per EUR  2024-03  655.957" in on_server(*listing).stdout
    own = tmp_path / "own.csv"
    own.write_text("kind,currency,year,value,source_note\nindex,USD,2023,304.702,BLS\nindex,USD,23,1,BLS\n")
    refused = on_server("prices", "import", own)
    assert (refused.exit_code, "line 3, column year" in refused.stderr) == (1, True)
    assert on_server("prices", "import").exit_code == 2
    spend = ("calculate", "--category", 1, "--unit", "XOF", "--factor", "naics:331110", "--period", "2024-03-05")
    try:
        assert "active" in on_server("prices", "activate", made["name"]).stdout
        converted = on_server(*spend, "--quantity", 655_957).stdout
        assert "wanted naics:331110 per XOF" in converted
        assert "amount         1,008.608 USD" in converted  # 1,000 EUR x 1.0811 x 292.655 / 313.689
    finally:
        assert on_server("prices", "activate", starter["name"]).exit_code == 0
    back, there = on_server("prices", "history", "--limit", 2, "--json").stdout.splitlines()[:2]
    assert (json.loads(back)["price_set"], json.loads(back)["previous_price_set"]) == (starter["name"], made["name"])
    assert json.loads(there)["price_set"] == made["name"]
    assert f"{made['name']}  {starter['name']}" in on_server("prices", "history").stdout
    assert "a rate of XOF to USD for 2024" in on_server(*spend, "--quantity", 1).stderr


def test_suppliers_and_emissions_come_out(on_server: Run, file: Path, tmp_path: Path) -> None:
    name = json.loads(on_server("upload", file, "--json").stdout)["upload"]
    assert "Steel Ltd" in on_server("suppliers", "list").stdout
    output = tmp_path / "out.csv"
    result = on_server("emissions", "export", output, "--upload", name, "--from", "2024-01-01", "--to", "2024-12-31")
    assert result.exit_code == 0
    assert len(output.read_text().splitlines()) == 3  # the header, and two of the three rows
    assert on_server("emissions", "export", tmp_path / "out.pdf").exit_code == 2


def test_one_activity_is_calculated(on_server: Run) -> None:
    activity = ("calculate", "--category", 4, "--quantity", 2, "--unit", "tonne", "--factor", "freight:rail")
    result = on_server(*activity, "--input", "distance=100")
    assert result.exit_code == 0
    assert "kg CO2e per tonne*km" in result.stdout
    assert "amount         200.000 tonne*km" in result.stdout
    assert "notice         wanted freight:rail for the country of the supplier; " in result.stdout
    assert on_server(*activity, "--input", "far").exit_code == 2


def test_an_activity_is_drawn_on_request(on_server: Run) -> None:
    activity = ("calculate", "--category", 1, "--quantity", 1000, "--unit", "USD", "--factor", "naics:331110")
    assert "draws" not in on_server(*activity).stdout
    result = on_server(*activity, "--draws", 2000)
    assert "  median, mean   " in result.stdout
    assert "  2,000 draws, kg CO2e\n    mean, sd  " in result.stdout
    assert "draws: found '5', expected 1,000 to 1,000,000 draws" in on_server(*activity, "--draws", 5).stderr


def test_stored_emissions_are_simulated(on_server: Run, file: Path) -> None:
    name = json.loads(on_server("upload", file, "--json").stdout)["upload"]
    asked = ("simulate", "--upload", name, "--by", "category", "--by", "factor", "--draws", 2000)
    result = on_server(*asked)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["category", "factor", "rows", "t", "CO2e", "sum", "median", "mean", "95", "%"]
    assert lines[1].split()[:2] == ["1", "naics:331110"]
    assert "closed form" in lines[1]
    assert "Monte Carlo" in lines[2]
    assert [line.split()[0] for line in lines[3:9]] == ["4", "Monte", "6", "Monte", "all", "Monte"]
    assert "what an inventory reports" in result.stdout
    (line,) = on_server(*asked, "--limit", 1, "--json").stdout.splitlines()
    drawn = json.loads(line)
    assert drawn["total"]["estimate"]["simulation"]["draws"] == 2000
    assert drawn["groups"][0]["keys"] == ["1", "naics:331110"]
    assert on_server("simulate", "--draws", 5).exit_code == 1


def test_one_activity_is_calculated_by_the_method_that_is_asked_for(on_server: Run) -> None:
    office = ("calculate", "--category", 8, "--quantity", 9, "--unit", "t CO2e", "--method", "lessor_specific")
    result = on_server(*office, "--group", "office", "--input", "area=500", "--input", "total_area=1500")
    assert result.stdout.startswith("3,000.000 kg CO2e\n")
    assert "method         lessor_specific" in result.stdout
    assert "inputs.area" in on_server(*office).stderr
    assert on_server(*office, "--method", "guess").exit_code == 2


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (HEADER.replace("quantity", "quantty"), "the column 'quantty' is not one of ours (did you mean 'quantity'?)"),
        (HEADER.replace("unit", "supplier_name"), "the required column 'unit' is missing"),
        ("Vendor,Amount", "`vcci upload --guess wrong.csv` proposes a mapping"),
    ],
)
def test_a_wrong_header_says_which_column_and_what_was_expected(tmp_path: Path, header: str, told: str) -> None:
    (tmp_path / "wrong.csv").write_text(f"{header}\n")
    result = run("upload", tmp_path / "wrong.csv")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: wrong.csv")
    assert told in result.stderr
    assert "Traceback" not in result.stderr


def test_a_mapping_is_proposed_without_a_server(tmp_path: Path) -> None:
    (tmp_path / "spend.csv").write_text("Vendor ID,Amount,Currency,Date\nV1,5.5,EUR,31.12.2024\n")
    result = run("upload", "--guess", tmp_path / "spend.csv")
    assert result.exit_code == 0
    (tmp_path / "spend.toml").write_text(result.stdout)
    assert load_mapping(tmp_path / "spend.toml").columns == ("Vendor ID", "Date", "Amount", "Currency")


def test_no_server_is_one_paragraph_that_says_what_to_do(file: Path) -> None:
    result = run("uploads", "list", VCCI_SERVER="127.0.0.1:1", VCCI_TOKEN="none")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: no server answers at 127.0.0.1:1")
    assert "`vcci serve` starts a server" in result.stderr


def test_a_wrong_command_line_has_a_status_of_its_own(tmp_path: Path) -> None:
    assert run("upload", tmp_path / "none.csv").exit_code == 2
    assert run("upload").exit_code == 2
    assert run("nothing").exit_code == 2


@pytest.mark.parametrize(
    ("kg", "text"),
    [(1_234_567_890.0, "1,234,568"), (12_340.0, "12.3"), (1.5, "0.002"), (-1e-6, "0.000")],
)
def test_tonnes_have_the_decimals_that_tell_them_apart(kg: float, text: str) -> None:
    assert tonnes(kg) == text
