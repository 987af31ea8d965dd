"""A customer's own file, as it came: 6,044 contract actions, mapped, against the EPA's factors, at their own prices."""

import asyncio
import csv
import json
import os
import subprocess
import sys
from collections import Counter
from math import fsum
from pathlib import Path

import pytest
from vcci.v1.factor_service_pb2 import FACTOR_FORMAT_EPA_V1_3, MARGINS_WITH, FactorSetSpec
from vcci_client import AsyncClient
from vcci_client.appender import Progress
from vcci_client.encode import Form
from vcci_client.mapping import load_mapping
from vcci_client.row_errors import count_by_reason
from vcci_client.upload import UploadOptions

from tests.data_files import shared_data
from tests.prices import deactivate_all
from tests.server_process import ServerProcess, running_server
from tests.waiting import until

SPEND = "real_spend_sample.csv"
FACTORS = "SupplyChainGHGEmissionFactors_v1.3.0_NAICS_CO2e_USD2022.csv"
TOTAL_KG_CO2E = 1_351_494_431.31556  # README of the data: USD x "with margins" factors, over the right rows
TOTAL = pytest.approx(TOTAL_KG_CO2E, rel=1e-9)
REASONS = Counter({("NEGATIVE", "quantity"): 391, ("UNKNOWN_FACTOR", "factor"): 3})
MAPPING = """
[file]
date_formats = ["%m/%d/%y", "%Y-%m-%d"]

[fields]
supplier_code = "{supplier_id}"
supplier_name = "{supplier_name}"
country = "{country}"
category = 1
method = "spend_based"
reporting_period = "{date}"
quantity = "{amount}"
unit = "{currency}"
factor = "naics:{naics_code}"
"""


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    """The mapping, as a file."""
    path = tmp_path / "spend.toml"
    path.write_text(MAPPING)
    return path


@pytest.fixture(scope="module")
def server(shared_server: ServerProcess) -> ServerProcess:
    """A tenant that calculates with the EPA's factors."""
    factors, server = shared_data(FACTORS), shared_server.for_own_tenant()
    asyncio.run(activate(server, factors))
    return server


async def activate(server: ServerProcess, factors: Path) -> None:
    spec = FactorSetSpec(display_name="EPA v1.3", format=FACTOR_FORMAT_EPA_V1_3, margins=MARGINS_WITH, activate=True)
    async with AsyncClient(server.listening, server.token()) as client:
        await client.import_factor_set(spec, factors)
        await deactivate_all(client)  # the control total is without deflation


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from vcci_client.cli import main; main()", *arguments]


def environment(server: ServerProcess) -> dict[str, str]:
    return {**os.environ, "VCCI_SERVER": server.listening, "VCCI_TOKEN": server.token()}


def vcci(server: ServerProcess, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command(*arguments), env=environment(server), capture_output=True, text=True, check=False)


def test_the_command_stores_every_right_row_and_tells_why_not_the_others(server: ServerProcess, mapping: Path) -> None:
    done = vcci(server, "upload", str(shared_data(SPEND)), "--map", str(mapping), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    summary = json.loads(done.stdout)
    assert (summary["rows"], summary["committed"], summary["rejected"]) == (6_044, 5_650, 394)
    assert summary["kg_co2e"] == TOTAL
    assert summary["kg_co2e_low"] < summary["kg_co2e_high"]
    listed = vcci(server, "uploads", "errors", summary["upload"], "--limit", "0", "--json")
    errors = [json.loads(line) for line in listed.stdout.splitlines()]
    assert Counter((error["reason"], error["field"]) for error in errors) == REASONS


def test_the_proposed_mapping_comes_to_the_same(server: ServerProcess, tmp_path: Path) -> None:
    proposed = vcci(server, "upload", "--guess", str(shared_data(SPEND)))
    (tmp_path / "guess.toml").write_text(proposed.stdout)
    done = vcci(server, "upload", str(shared_data(SPEND)), "--map", str(tmp_path / "guess.toml"), "--json")
    assert json.loads(done.stdout)["kg_co2e"] == TOTAL


@pytest.mark.parametrize(("form", "batch_rows"), [(Form.COLUMNS, 25_000), (Form.COLUMNS, 997), (Form.ROWS, 2_000)])
async def test_the_total_does_not_depend_on_form_or_batches(
    server: ServerProcess, mapping: Path, form: Form, batch_rows: int
) -> None:
    async with AsyncClient(server.listening, server.token()) as client:
        options = UploadOptions(f"{form}-{batch_rows}", form=form, batch_rows=batch_rows)
        summary = await client.upload_file(shared_data(SPEND), options, mapping=load_mapping(mapping))
        assert summary.committed == 5_650
        assert summary.kg_co2e == TOTAL
        assert await count_by_reason(client, summary.upload) == REASONS


async def test_with_the_starter_prices_spend_is_deflated_to_the_factors_year(mapping: Path) -> None:
    with running_server() as server, shared_data(FACTORS).open() as factors, shared_data(SPEND).open() as spend:
        with_margins = {
            row["2017 NAICS Code"]: float(row["Supply Chain Emission Factors with Margins"])
            for row in csv.DictReader(factors)
        }
        cpi = {2022: 292.655, 2023: 304.702, 2024: 313.689, 2025: 321.943}  # BLS, CUUR0000SA0, annual averages
        expected = fsum(
            amount * cpi[2022] / cpi[_year(row["date"])] * with_margins[row["naics_code"]]
            for row in csv.DictReader(spend)
            if (amount := float(row["amount"])) >= 0 and row["naics_code"] in with_margins
        )
        spec = FactorSetSpec(display_name="EPA", format=FACTOR_FORMAT_EPA_V1_3, margins=MARGINS_WITH, activate=True)
        async with AsyncClient(server.listening, server.token()) as client:
            await client.import_factor_set(spec, shared_data(FACTORS))
            summary = await client.upload_file(
                shared_data(SPEND), UploadOptions("deflated"), mapping=load_mapping(mapping)
            )
        assert summary.committed == 5_650
        assert summary.kg_co2e == pytest.approx(expected, rel=1e-9)
        assert expected < TOTAL_KG_CO2E


def _year(text: str) -> int:
    """The year of `4/13/22` and of `2022-04-13`."""
    return int(text[:4]) if "-" in text else 2000 + int(text.rpartition("/")[2])


async def test_kills_of_the_server_and_of_the_client_change_nothing(mapping: Path) -> None:
    with running_server() as server:
        await activate(server, shared_data(FACTORS))
        await _client_killed(server, mapping)
        kills = [1_000, 2_000, 3_000, 4_500]

        def on_progress(progress: Progress) -> None:
            if kills and progress.rows_committed >= kills[0]:
                kills.pop(0)
                server.kill()
                server.start()

        async with AsyncClient(server.listening, server.token()) as client:
            options = UploadOptions(batch_rows=200)
            summary = await client.upload_file(
                shared_data(SPEND), options, mapping=load_mapping(mapping), resume=True, on_progress=on_progress
            )
            assert not kills
            assert (summary.rows, summary.committed, summary.rejected) == (6_044, 5_650, 394)
            assert summary.kg_co2e == TOTAL
            assert len([upload async for upload in client.list_uploads()]) == 1
            assert await count_by_reason(client, summary.upload) == REASONS
            total = (await client.aggregate_emissions()).total
            assert (total.rows, total.estimate.kg_co2e) == (5_650, summary.kg_co2e)


async def _client_killed(server: ServerProcess, mapping: Path) -> None:
    """Kill a client in the middle of the upload, as soon as some rows are durable."""
    arguments = command("upload", str(shared_data(SPEND)), "--map", str(mapping), "--batch-rows", "10")
    process = await asyncio.create_subprocess_exec(*arguments, env=environment(server))
    async with AsyncClient(server.listening, server.token()) as client:

        async def some_rows_are_durable() -> bool:
            return any([upload.committed_through async for upload in client.list_uploads()])

        await until(some_rows_are_durable)
        process.kill()
        await process.wait()
        (upload,) = [upload async for upload in client.list_uploads()]
        assert 0 < upload.committed_through < 6_044
