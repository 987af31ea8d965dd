"""A short campaign, as `make chaos` runs long ones; and a build that is broken in each way, which must be found out."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from vcci_client.encode import Form
from vcci_client.errors import ClientError

from tests.chaos.campaign import BATCH_ROWS, ROWS, Outcome, campaign, check
from tests.chaos.load import Load
from tests.chaos.proxy import Fate
from tests.chaos.system import TENANTS, System, running_system

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]
FAULTS = (
    *("server killed before copy", "server killed after copy", "server killed after commit"),
    *("postgres killed", "pg_terminate_backend", "clients cut off", "database half-open", "rival writer"),
    "prefix replayed",
)
CUT_AFTER_BYTES = 400_000  # of 1.5 MB
# Each with what must be said of it. The first comes first: what the others leave behind is miscounted, too.
SABOTAGES = {
    "miscount": "the rollups has",
    "lose": "rows are lost",
    "double": "rows are stored more than once",
    "promise": "was acknowledged, and rows up to",
    "go_back": "the server goes on at row",
    "mix": "suppliers of others",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    async with running_system() as system:
        yield system


async def test_faults_of_every_part_lose_and_double_nothing(system: System) -> None:
    outcome = await campaign(system, random.Random(20_261_124), len(FAULTS), FAULTS)
    assert outcome.broken == []
    assert outcome.injected == dict.fromkeys(FAULTS, 1)
    assert (outcome.lost, outcome.duplicated) == (0, 0)
    assert outcome.acknowledged > 0


async def sabotaged(system: System, sabotage: str) -> Outcome:
    """Upload to a build that is broken, with each connection cut once in the middle, and check what came of it."""
    await asyncio.to_thread(system.server.terminate)
    system.server.env = {**system.server.env, "CHAOS_SABOTAGE": sabotage}
    await system.restart_server()
    system.front.fates = iter([Fate(after_bytes=CUT_AFTER_BYTES)] * len(TENANTS))
    loads = [Load(system, tenant, ROWS, BATCH_ROWS, Form.COLUMNS) for tenant in TENANTS]
    runs = [asyncio.create_task(load.run()) for load in loads]
    for load in loads:
        load.stop()
    outcome = Outcome()
    for result in await asyncio.gather(*runs, return_exceptions=True):
        assert result is None or isinstance(result, ClientError), result
        outcome.broken += [str(result)] if result else []
    await check(system, [record for load in loads for record in load.records], outcome)
    return outcome


@pytest.mark.parametrize(("sabotage", "found"), SABOTAGES.items())
async def test_a_build_that_is_broken_on_purpose_is_found_out(system: System, sabotage: str, found: str) -> None:
    outcome = await sabotaged(system, sabotage)
    assert any(found in fault for fault in outcome.broken), outcome.broken
