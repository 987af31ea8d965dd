"""Hotspots and scenarios of a customer's own file, by command and client, against plain sums over the file's rows."""

import asyncio
import csv
import json
from collections import Counter
from pathlib import Path

import pytest
from vcci.v1.emission_service_pb2 import DIMENSION_CATEGORY
from vcci.v1.factor_service_pb2 import FACTOR_FORMAT_EPA_V1_3, MARGINS_WITH, FactorSetSpec
from vcci.v1.hotspot_service_pb2 import (
    HOTSPOT_ANALYSIS_TRENDS,
    ChangeIntensity,
    Lever,
    LeverScope,
    RunScenarioRequest,
    ScenarioProgress,
)
from vcci_client import AsyncClient
from vcci_client.mapping import load_mapping

from tests.data_files import shared_data
from tests.e2e.test_real_spend import FACTORS, MAPPING, SPEND, TOTAL, vcci
from tests.prices import deactivate_all
from tests.server_process import ServerProcess

PLAN = """
[filter]
period_start = 2022-01-01
period_end = 2026-01-01

[[levers]]
display_name = "Half of the largest supplier"
scope = { supplier_codes = ["VTEWM5QSE598"] }
quantity = { change = -0.5 }
costs = { investment = 1_000_000, annual_savings = 200_000, lifetime_years = 10 }

[[levers]]
display_name = "1.5 degrees"
pathway = { base_year = 2025, target_year = 2030 }
"""


@pytest.fixture(scope="module")
def server(shared_server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> ServerProcess:
    """A tenant that has the file's emissions."""
    mapping = tmp_path_factory.mktemp("mapping") / "spend.toml"
    mapping.write_text(MAPPING)
    server = shared_server.for_own_tenant()
    asyncio.run(_upload(server, shared_data(FACTORS), shared_data(SPEND), mapping))
    return server


async def _upload(server: ServerProcess, factors: Path, spend: Path, mapping: Path) -> None:
    spec = FactorSetSpec(display_name="EPA v1.3", format=FACTOR_FORMAT_EPA_V1_3, margins=MARGINS_WITH, activate=True)
    async with AsyncClient(server.listening, server.token()) as client:
        await client.import_factor_set(spec, factors)
        await deactivate_all(client)  # the control total is without deflation
        await client.upload_file(spend, mapping=load_mapping(mapping))


def by_supplier() -> Counter[str]:
    """The file's emissions in micrograms by supplier: spend x factor, of the right rows."""
    with shared_data(FACTORS).open(newline="", encoding="utf-8-sig") as lines:
        column = "Supply Chain Emission Factors with Margins"
        factors = {row["2017 NAICS Code"]: float(row[column]) for row in csv.DictReader(lines)}
    found = Counter[str]()
    with shared_data(SPEND).open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if row["naics_code"] in factors and float(row["amount"]) >= 0:
                found[row["supplier_id"]] += round(float(row["amount"]) * factors[row["naics_code"]] * 1e9)
    return found


def test_the_command_finds_the_pareto_set_of_a_real_file(server: ServerProcess) -> None:
    done = vcci(server, "hotspots", "--json", "--limit", "1000")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    ordered = by_supplier().most_common()
    assert found["total"]["estimate"]["kg_co2e"] == TOTAL
    assert int(found["pareto"]["group_count"]) == len(ordered)
    assert [group["group"]["estimate"]["kg_co2e"] for group in found["pareto"]["groups"][:50]] == pytest.approx(
        [ug / 10**9 for _, ug in ordered[:50]], rel=1e-9
    )
    count = int(found["pareto"]["set_group_count"])
    so_far = [sum(ug for _, ug in ordered[:n]) / sum(ug for _, ug in ordered) for n in (count - 1, count)]
    assert so_far[0] < 0.8 <= so_far[1]
    assert found["concentration"]["herfindahl"] == pytest.approx(
        sum((ug / sum(ug for _, ug in ordered)) ** 2 for _, ug in ordered), rel=1e-9
    )


def test_the_command_tells_a_person_where_to_act(server: ServerProcess) -> None:
    done = vcci(server, "hotspots", "--by", "category", "--target", "11111", "--share", "0.5")
    assert (done.returncode, done.stderr) == (0, "")
    for text in ("1,351,494 t CO2e", "make 50% of it", "large", "2022 to 2023", "0 suppliers by category", "HHI 1.000"):
        assert text in done.stdout
    assert vcci(server, "hotspots", "--target", "11119").returncode == 2
    assert vcci(server, "hotspots", "--share", "0").returncode == 2


async def test_the_client_explains_the_years(server: ServerProcess) -> None:
    async with AsyncClient(server.listening, server.token()) as client:
        found = await client.analyze_hotspots(DIMENSION_CATEGORY, analyses=[HOTSPOT_ANALYSIS_TRENDS])
    assert [change.year for change in found.trends] == [2023, 2024, 2025]
    for change in found.trends:
        parts = change.activity_kg_co2e + change.mix_kg_co2e
        assert parts == pytest.approx(change.kg_co2e - change.previous_kg_co2e, rel=1e-9)
        assert change.factor_kg_co2e == pytest.approx(0, abs=1e-3)  # one set of factors for all years
        assert change.unknown_kg_co2e == 0
        assert change.activity_kg_co2e != 0 != change.mix_kg_co2e


def test_the_command_runs_a_scenario_over_a_real_file(server: ServerProcess, tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN)
    done = vcci(server, "scenario", "run", str(plan), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    baseline = found["baseline"]["estimate"]["kg_co2e"]
    assert baseline == TOTAL
    (largest, ug), *_ = by_supplier().most_common()
    assert largest in PLAN
    reductions = [lever["reduction"]["kg_co2e"] for lever in found["levers"]]
    assert reductions[0] == pytest.approx(0.5 * ug / 10**9, rel=1e-9)
    assert reductions[1] == pytest.approx((baseline - reductions[0]) * 0.042 * 5, rel=1e-9)
    assert found["scenario"]["kg_co2e"] == pytest.approx(baseline - sum(reductions), rel=1e-12)
    years = [year["estimate"]["kg_co2e"] / (baseline - reductions[0]) for year in found["years"]]
    assert years == pytest.approx([1 - 0.042 * n for n in range(6)])
    costs = found["levers"][0]["abatement"]
    assert costs["cost_per_tonne"] == pytest.approx((1e6 / 10 - 2e5) / (reductions[0] / 1_000 / 4))
    assert costs["payback_years"] == 5


def test_the_command_shows_a_scenario_to_a_person(server: ServerProcess, tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN)
    done = vcci(server, "scenario", "run", str(plan))
    assert done.returncode == 0
    for text in ("Baseline   1,351,494 t CO2e", "Half of the largest", "Year by year", "2030", "cheapest tonne first"):
        assert text in done.stdout
    plan.write_text('[[levers]]\nsupplier = { supplier_code = "nobody" }')
    wrong = vcci(server, "scenario", "run", str(plan))
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("Error: levers[0].supplier.supplier_code: found 'nobody'")
    plan.write_text("[[levers]]\nquantty = 1")
    assert "quantty" in vcci(server, "scenario", "run", str(plan)).stderr


async def test_the_client_tells_of_progress(server: ServerProcess) -> None:
    told: list[ScenarioProgress] = []
    scope = LeverScope(countries=["USA"])
    request = RunScenarioRequest(levers=[Lever(scope=scope, intensity=ChangeIntensity(change=-0.3))])
    async with AsyncClient(server.listening, server.token()) as client:
        found = await client.run_scenario(request, on_progress=told.append)
    assert found.reduction.kg_co2e > 0
    assert told[-1].rows_read == found.baseline.rows == 5_650
