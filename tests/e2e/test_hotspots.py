"""Hotspots of a customer's own file, from the command line and the client, against plain sums over the file's rows."""

import asyncio
import csv
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from vcci.v1.emission_service_pb2 import DIMENSION_CATEGORY
from vcci.v1.factor_service_pb2 import FACTOR_FORMAT_EPA_V1_3, MARGINS_WITH, FactorSetSpec
from vcci.v1.hotspot_service_pb2 import HOTSPOT_ANALYSIS_TRENDS
from vcci_client import AsyncClient
from vcci_client.mapping import load_mapping

from tests.data_files import shared_data
from tests.e2e.test_real_spend import FACTORS, MAPPING, SPEND, TOTAL, vcci
from tests.server_process import ServerProcess, running_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that has the file's emissions."""
    mapping = tmp_path_factory.mktemp("mapping") / "spend.toml"
    mapping.write_text(MAPPING)
    with running_server() as process:
        asyncio.run(_upload(process, shared_data(FACTORS), shared_data(SPEND), mapping))
        yield process


async def _upload(server: ServerProcess, factors: Path, spend: Path, mapping: Path) -> None:
    spec = FactorSetSpec(display_name="EPA v1.3", format=FACTOR_FORMAT_EPA_V1_3, margins=MARGINS_WITH, activate=True)
    async with AsyncClient(server.listening, server.token()) as client:
        await client.import_factor_set(spec, factors)
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
