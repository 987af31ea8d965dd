"""Gases and GWP sets by the client and the command."""

import csv
import json
from pathlib import Path

import pytest
from vcci.v1.activity_pb2 import Activity
from vcci.v1.emission_pb2 import EmissionFilter
from vcci.v1.emission_service_pb2 import EMISSION_COLUMN_GASES, EMISSION_COLUMN_KG_CO2E
from vcci_client import AsyncClient
from vcci_client.emissions import to_arrow
from vcci_client.errors import InvalidRequest

from tests.clients.test_cli import Run, on_server
from tests.clients.test_client import STEEL
from tests.clients.test_upload import rows, unique

__all__ = ["on_server"]

ROW = {"supplier_code": "S-1", "category": 1, "reporting_period": "2024-01-01"}


def diesel() -> Activity:
    """Diesel, whose gases the starter set has."""
    activity = Activity()
    activity.CopyFrom(STEEL)
    activity.factor, activity.unit = "fuel:diesel", "litre"
    return activity


async def test_an_activity_is_expressed_under_another_set_with_its_gases(client: AsyncClient) -> None:
    own = await client.calculate([diesel()])
    under_ar6 = await client.calculate([diesel()], gwp_set="AR6", include_composition=True)
    assert [of.emissions[0].gwp_set for of in (own, under_ar6)] == ["AR5", "AR6"]
    assert own.total.kg_co2e == pytest.approx(under_ar6.total.kg_co2e, rel=0.01)
    assert own.total.kg_co2e != under_ar6.total.kg_co2e
    assert [of.gas for of in under_ar6.composition.gases] == ["CH4", "CO2", "N2O"]
    with pytest.raises(InvalidRequest) as refused:
        await client.calculate([STEEL], gwp_set="AR6")
    assert refused.value.reason == "GWP_SET_NOT_POSSIBLE"


async def test_a_stream_of_batches_is_expressed_under_a_set(client: AsyncClient) -> None:
    (own,) = [answer async for answer in client.calculate_stream(rows(10), gwp_set="AR5", include_composition=True)]
    assert own.batch.emissions.rows == 10
    assert list(own.batch.emissions.gwp_sets) == ["", "AR5"]
    assert [of.gwp_set for of in own.batch.composition.gwp_sets] == ["AR5"]
    (under_ar6,) = [answer async for answer in client.calculate_stream(rows(10), gwp_set="AR6")]
    assert {error.field for error in under_ar6.batch.row_errors} == {"factor"}


def test_the_command_tells_gases_and_takes_a_set(on_server: Run) -> None:
    activity = ("calculate", "--category", 4, "--quantity", 100, "--unit", "litre", "--factor", "fuel:diesel")
    own, under_ar6 = on_server(*activity), on_server(*activity, "--gwp-set", "AR6")
    assert own.exit_code == under_ar6.exit_code == 0
    assert "GWP set        AR5" in own.stdout
    assert "GWP set        AR6" in under_ar6.stdout
    assert own.stdout.split()[0] != under_ar6.stdout.split()[0]
    assert "gases          CO2 " in own.stdout
    assert "mixed" not in own.stdout
    impossible = ("calculate", "--category", 1, "--quantity", 1, "--unit", "USD", "--factor", "naics:331110")
    refused = on_server(*impossible, "--gwp-set", "AR6")
    assert refused.exit_code == 1
    assert "under AR5" in refused.stderr


@pytest.fixture
async def uploaded(client: AsyncClient) -> str:
    """The name of an upload: diesel, steel, and a supplier's own factor."""
    summary = await client.upload(
        [
            {**ROW, "quantity": 100, "unit": "litre", "factor": "fuel:diesel"},
            {**ROW, "quantity": 10, "unit": "USD", "factor": "naics:331110"},
            {**ROW, "quantity": 5, "unit": "kg", "supplier_factor": 2.0},
        ],
        unique(),
    )
    return summary.upload


async def test_stored_emissions_are_read_under_a_set_with_their_gases(client: AsyncClient, uploaded: str) -> None:
    only = EmissionFilter(upload=uploaded)
    own = await client.aggregate_emissions(emission_filter=only)
    under_ar6 = await client.aggregate_emissions(emission_filter=only, gwp_set="AR6", include_gases=True)
    composition = under_ar6.total.composition
    assert own.total.rows == under_ar6.total.rows == 3
    assert [of.gwp_set for of in composition.gwp_sets] == ["", "AR5", "AR6"]
    assert composition.mixed_gwp_sets
    assert sum(of.kg_co2e for of in composition.gwp_sets) == pytest.approx(under_ar6.total.estimate.kg_co2e)
    columns = [EMISSION_COLUMN_KG_CO2E, EMISSION_COLUMN_GASES]
    (page,) = [page async for page in client.stream_emissions(only, columns, gwp_set="AR6")]
    assert sum(page.kg_co2e) == pytest.approx(under_ar6.total.estimate.kg_co2e)
    assert page.gwp_set.texts() == ["AR6", "AR5", ""]
    rows = to_arrow(page).to_pylist()
    assert [row["gwp_set"] for row in rows] == ["AR6", "AR5", ""]
    stored = {of.gas: of.kg for of in composition.gases}
    assert {gas: kg for gas, kg in rows[0]["gases"] if gas != "CO2e_AR5"} == pytest.approx(stored)
    assert rows[2]["gases"] == [("CO2e", 10.0)]


def test_the_command_sums_and_exports_under_a_set(on_server: Run, uploaded: str, tmp_path: Path) -> None:
    asked = ("emissions", "sum", "--upload", uploaded, "--gwp-set", "AR6")
    by_method = on_server(*asked, "--by", "method", "--by", "year")
    assert by_method.exit_code == 0
    assert by_method.stdout.splitlines()[0].split() == ["method", "year", "rows", "t", "CO2e", "median", "from", "to"]
    assert "supplier_specific" in by_method.stdout
    assert "gases          CO2 " in by_method.stdout
    assert "GWP sets mixed" in by_method.stdout
    assert json.loads(on_server(*asked, "--json").stdout)["total"]["rows"] == "3"
    assert on_server(*asked, "--by", "colour").exit_code == 2
    assert "'AR7', expected one of AR4, AR5, AR6, " in on_server("emissions", "sum", "--gwp-set", "AR7").stderr
    output = tmp_path / "out.csv"
    wanted = ("--upload", uploaded, "--gwp-set", "AR6", "--gases")
    assert on_server("emissions", "export", output, *wanted).exit_code == 0
    rows = list(csv.DictReader(output.read_text().splitlines()))
    assert [row["gwp_set"] for row in rows] == ["AR6", "AR5", ""]
    assert "CO2=" in rows[0]["gases"]


def test_the_command_makes_a_set_under_another(on_server: Run, tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text(
        "source,code,name,year,unit,kg_co2e,gases,gwp_set,source_note\n"
        "own,oil,Oil,2024,litre,3.028,CO2=3.0 CH4=0.001,AR5,made for a test\n"
        "own,tea,Tea,2024,kg,1.5,,AR5,made for a test\n"
    )
    own = json.loads(on_server("factors", "import", file, "--json").stdout)
    derived = ("factors", "import", "--base", own["name"], "--gwp-set", "AR6")
    refused = on_server(*derived)
    assert refused.exit_code == 1
    assert "own:tea" in refused.stderr
    made = json.loads(on_server(*derived, "--keep-others", "--json").stdout)
    assert made["display_name"] == f"{own['name']} under AR6"
    listed = on_server("factors", "search", "--set", made["name"], "--json").stdout.splitlines()
    sets = {factor["code"]: (factor["gwp_set"], factor["kg_co2e"]) for factor in map(json.loads, listed)}
    assert sets == {"oil": ("AR6", pytest.approx(3.0279)), "tea": ("AR5", 1.5)}
    assert on_server("factors", "import", "--gwp-set", "AR6").exit_code == 2
