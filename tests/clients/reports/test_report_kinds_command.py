"""Every kind of report in every format through `vcci report`: figures worked out by hand from the inventory."""

import csv
import io
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from pypdf import PdfReader
from vcci_client import Client
from vcci_server.report.cells import shown

from tests.clients.commands import Commands
from tests.clients.reports.inventory import table, tables
from tests.server_process import ServerProcess

STEEL_T = 300 * 2.0 / 1000
TRANSPORT_T = (3_000 * (0.1 + 0.02) + 50_000 * 0.01 + 2_000 * 0.08 + 1_000 * 0.5) / 1000
HUB_T = 20 * 30 * 0.05 / 1000
FINANCED_T = 60_000 * 3 / 1200 + 5_000 / 100
TOTAL_T = STEEL_T + TRANSPORT_T + HUB_T + FINANCED_T
STATED = """currency = "EUR"
net_revenue = 2e6
scope_1_t_co2e = 10.0
scope_2_market_t_co2e = 5.0
boundary = "operational control"

[[categories]]
category = 1
status = "relevant_calculated"
explanation = "Steel, by weight."
"""
# By kind: a table with a total, its column of t CO2e, and what they come to.
MAIN: dict[str, tuple[str, str, float]] = {
    "ghg-protocol-scope-3": ("categories", "t_co2e", TOTAL_T),
    "esrs-e1-6": ("gross", "t_co2e", TOTAL_T),
    "cdp-c6": ("c6_5", "t_co2e", TOTAL_T),
    "ifrs-s2": ("asset_classes", "t_co2e", FINANCED_T),
    "iso-14083": ("modes", "t_co2e", TRANSPORT_T),
}


@pytest.fixture(scope="module")
def statements(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the organization states."""
    path = tmp_path_factory.mktemp("stated") / "organization.toml"
    path.write_text(STATED)
    return path


def made(commands: Commands, path: Path, kind: str, *more: str) -> Path:
    """Make a report of 2021 as a file."""
    commands.run("report", "--kind", kind, "--period", "2021", "-o", str(path), *more)
    return path


def in_json(path: Path, name: str, column: str) -> float:
    total: float = table(path, name)["total"][column]
    return total


def in_csv(path: Path, name: str, column: str) -> float:
    lines = [*csv.reader(io.StringIO(path.read_text("utf-8-sig"), newline=""))]
    start = next(n for n, line in enumerate(lines) if line[:2] == ["table", name]) + 1
    end = lines.index([], start)
    return float(lines[end - 1][lines[start].index(column)])


def in_workbook(path: Path, name: str) -> float:
    sheet = load_workbook(path)[name]
    (total,) = (row for row in sheet.iter_rows(min_row=2) if row[1].font.b)
    title = {"c6_5": "Metric tons CO2e", "gross": "2021"}.get(name, "t CO2e")
    cell = total[[header.value for header in sheet[1]].index(title)]
    assert (cell.data_type, cell.number_format) == ("n", "#,##0.000")
    assert isinstance(cell.value, int | float)
    return cell.value


READERS = {"json": in_json, "csv": in_csv}


class Texts(HTMLParser):
    """The texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.found.append(data)


def texts_of(path: Path) -> list[str]:
    """Return the texts of a page or of a document."""
    if path.suffix == ".html":
        return Texts(path.read_text("utf-8")).found
    return " ".join(page.extract_text() for page in PdfReader(path).pages).split()


@pytest.mark.parametrize("kind", MAIN)
@pytest.mark.parametrize("ending", ["json", "csv", "xlsx", "html", "pdf"])
def test_every_kind_has_its_total_in_every_format(commands: Commands, tmp_path: Path, kind: str, ending: str) -> None:
    name, column, expected = MAIN[kind]
    path = made(commands, tmp_path / f"report.{ending}", kind, "--organization", "Werk Süd GmbH")
    if ending in READERS:
        assert READERS[ending](path, name, column) == pytest.approx(expected)
    elif ending == "xlsx":
        assert in_workbook(path, name) == pytest.approx(expected)
    else:
        assert shown(expected, "tonnes") in texts_of(path)


def test_esrs_has_the_base_year_the_year_before_and_what_is_stated(
    commands: Commands, tmp_path: Path, statements: Path
) -> None:
    path = tmp_path / "esrs.json"
    made(commands, path, "esrs-e1-6", "--base-year", "2019", "--statements", str(statements))
    purchased = table(path, "gross")["rows"][0]
    figures = (purchased["base_t_co2e"], purchased["previous_t_co2e"], purchased["t_co2e"])
    assert figures == pytest.approx((0.4, 0.8, STEEL_T))
    assert (purchased["on_base"], purchased["on_previous"]) == pytest.approx((0.5, -0.25))
    assert purchased["significant"] == "yes"
    assert table(path, "included")["rows"][0]["explanation"] == "Steel, by weight."
    intensity = {row["figure"]: row["value"] for row in table(path, "intensity")["rows"]}
    assert intensity["Scope 3 per net revenue"] == pytest.approx(TOTAL_T / 2)
    assert intensity["All scopes, market-based, per net revenue"] == pytest.approx((TOTAL_T + 15) / 2)


def test_cdp_has_the_intensity_of_a_revenue_that_is_given_as_an_option(commands: Commands, tmp_path: Path) -> None:
    path = made(commands, tmp_path / "cdp.json", "cdp-c6", "--revenue", "4e6", "EUR")
    _, value_chain = table(path, "c6_10")["rows"]
    assert value_chain["intensity"] == pytest.approx(TOTAL_T / 4e6)
    assert value_chain["denominator"] == "Unit total revenue, EUR"
    rows = table(path, "c6_5")["rows"]
    assert rows[3]["methodology"] == "Average data method; Other: Average distribution"
    assert rows[14]["methodology"] == (
        "Investment-specific method (PCAF: listed equity); Investment-specific method (PCAF: business loans)"
    )


def test_ifrs_has_financed_emissions_by_asset_class_industry_and_group(commands: Commands, tmp_path: Path) -> None:
    path = made(commands, tmp_path / "ifrs.json", "ifrs-s2")
    equity, loans = table(path, "asset_classes")["rows"]
    assert (equity["t_co2e"], equity["outstanding"], equity["score"]) == pytest.approx((150, 3, 2))
    assert (loans["t_co2e"], loans["outstanding"], loans["score"]) == pytest.approx((50, 1, 4))
    total = table(path, "asset_classes")["total"]
    assert (total["outstanding"], total["score"], total["scored_share"]) == pytest.approx((4, 2.5, 1))
    assert total["t_per_million"] == pytest.approx(200e6 / 4)
    assert [row["industry"] for row in table(path, "industries")["rows"]] == ["not told", "D35"]
    (portfolio,) = table(path, "portfolios")["rows"]
    assert (portfolio["group"], portfolio["t_co2e"]) == ("Scope 1 and 2", pytest.approx(200))


def test_iso_14083_has_activity_and_intensity_by_mode_category_chain_and_hub(
    commands: Commands, tmp_path: Path
) -> None:
    found = tables(made(commands, tmp_path / "iso.json", "iso-14083"))
    modes = {row["mode"]: row for row in found["modes"]["rows"]}
    assert [*modes] == ["not told", "sea", "road"]
    road, sea, other = modes["road"], modes["sea"], modes["not told"]
    assert (road["tces"], road["tonne_km"], road["g_per_tkm"]) == pytest.approx((1, 3_000, 120))
    assert road["provision_t_co2e"] == pytest.approx(0.06)
    assert (sea["tonne_km"], sea["g_per_tkm"]) == pytest.approx((50_000, 10))
    assert (other["tonne_km"], other["g_per_tkm"], other["without_tkm_t_co2e"]) == pytest.approx((2_000, 80, 0.5))
    tocs = {row["factor"]: row for row in found["tocs"]["rows"]}
    assert tocs["freight:road_lorry"]["g_per_tkm"] == pytest.approx(100)
    assert (tocs["freight:road_lorry_upstream"]["stage"], tocs["freight:road_lorry_upstream"]["tces"]) == (
        "provision",
        0,
    )
    chains = {row["chain"]: row for row in found["chains"]["rows"]}
    assert {*chains} == {"Lyon", "Graz", "in no chain"}
    lyon = chains["Lyon"]
    assert (lyon["tonne_km"], lyon["t_co2e"], lyon["hubs_t_co2e"]) == pytest.approx((53_000, 0.86 + HUB_T, HUB_T))
    assert lyon["g_per_tkm"] == pytest.approx(860e3 / 53_000)
    assert lyon["low"] < lyon["t_co2e"] < lyon["high"]
    (hub,) = found["hubs"]["rows"]
    assert (hub["amount"], hub["unit"], hub["kg_per_unit"]) == (pytest.approx(600), "m3*day", pytest.approx(0.05))
    (haulage,) = found["other_transport"]["rows"]
    assert (haulage["factor"], haulage["t_co2e"], haulage["amount"]) == ("t:haulage", pytest.approx(0.5), None)
    assert sum(row["t_co2e"] or 0 for row in found["categories"]["rows"]) == pytest.approx(TRANSPORT_T + HUB_T)


@pytest.mark.parametrize("kind", MAIN)
def test_every_kind_tells_of_restatements(commands: Commands, tmp_path: Path, kind: str) -> None:
    path = made(commands, tmp_path / "report.json", kind)
    (run,) = table(path, "restatements")["rows"]
    assert (run["name"], run["change"]) == ("dearer steel", pytest.approx(0.5))


def test_the_client_takes_statements(server: ServerProcess, commands: Commands) -> None:
    from vcci.v1 import report_service_pb2 as pb

    stated = pb.OrganizationStatements(boundary="equity share")
    with Client(server.listening, server.token()) as client:
        file = client.generate_report(pb.REPORT_FORMAT_CSV, pb.REPORT_KIND_ESRS_E1_6, statements=stated).file
    assert b"Boundary,equity share" in file


@pytest.mark.parametrize(
    ("contents", "told"),
    [
        ("net_revenue = 1.0", "statements.currency"),
        ("turnover = 1.0", "turnover"),
        ("net_revenue = ", "statements.toml"),
    ],
)
def test_wrong_statements_are_told_with_their_place(
    commands: Commands, tmp_path: Path, contents: str, told: str
) -> None:
    path = tmp_path / "statements.toml"
    path.write_text(contents)
    arguments: tuple[Any, ...] = (
        "report",
        "--period",
        "2021",
        "--statements",
        str(path),
        "-o",
        str(tmp_path / "r.pdf"),
    )
    output = commands.run(*arguments, status=1).output
    assert told in output
    assert "Traceback" not in output


def test_a_kind_or_a_format_that_does_not_exist_is_refused(commands: Commands) -> None:
    assert "iso-14083" in commands.run("report", "--kind", "gri-305", status=2).output
    assert "xlsx" in commands.run("report", "--format", "docx", status=2).output
