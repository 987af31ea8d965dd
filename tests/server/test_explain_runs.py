"""Emissions explained as of a recalculation: under its basis where it has restated them, else as ingested."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import asyncpg
import pytest
from vcci.v1.explanation_pb2 import Explanation, Origin
from vcci.v1.run_pb2 import Run
from vcci_client import AsyncClient
from vcci_client.errors import InvalidRequest, NotFound
from vcci_client.explanation import on_paper

from tests.recalculations import UG_PER_KG, import_sets, rows_of, upload
from tests.server_process import ServerProcess, running_server

ROWS = 120


@pytest.fixture(scope="module")
def served(database: str) -> Iterator[ServerProcess]:
    with running_server(env={"VCCI_DATABASE_URL": database}) as server:
        yield server


@pytest.fixture
async def client(served: ServerProcess, database: str) -> AsyncIterator[AsyncClient]:
    """A client of a tenant of the test's own."""
    tenant = uuid4().hex
    db = await asyncpg.connect(database)
    await db.execute("INSERT INTO tenants (name) VALUES ($1)", tenant)
    await db.close()
    async with AsyncClient(served.listening, served.token(tenant)) as client:
        yield client


async def _explained(client: AsyncClient, run: Run) -> list[Explanation]:
    """Explain every emission as of a run, and check it against what is streamed as of it."""
    explained = []
    for (upload_name, row), seen in (await rows_of(client, as_of=run.name)).items():
        found = await client.explain(f"{upload_name}/emissions/{row}", as_of=run.name)
        assert round(found.estimate.kg_co2e * UG_PER_KG) == seen.ug
        assert (found.replay.identical, found.replay.inputs_unaltered) == (True, True), on_paper(found)
        explained.append(found)
    return explained


async def test_a_restated_emission_is_explained_under_the_runs_factor_set(client: AsyncClient) -> None:
    old, new = await import_sets(client)
    await upload(client, ROWS)
    run = await client.wait_for_run((await client.recalculate(factor_set=new)).name)
    explained = await _explained(client, run)
    assert {(found.run, found.factor_set.name) for found in explained} == {(run.name, new), ("", old)}
    steel = next(found for found in explained if found.factor.code == "steel")
    assert (steel.factor.kg_co2e, steel.factor_set.name, steel.run) == (3.0, new, run.name)
    assert f"kg CO2e, as of {run.name}\n" in on_paper(steel)
    gone = next(found for found in explained if found.factor.code == "gone")  # the new set does not have it
    assert (gone.run, gone.factor_set.name) == ("", old)
    as_ingested = await client.explain(steel.name)
    assert (as_ingested.factor.kg_co2e, as_ingested.run, as_ingested.replay.identical) == (2.0, "", True)


async def test_an_emission_under_another_gwp_set_says_so(client: AsyncClient) -> None:
    await import_sets(client)
    await upload(client, ROWS)
    run = await client.wait_for_run((await client.recalculate(gwp_set="AR6")).name)
    explained = await _explained(client, run)
    counted = Counter((found.factor.code == "steel", found.gwp_set) for found in explained)
    assert counted.keys() == {(True, "AR6"), (False, "")}  # the others have no gases, and keep their values
    steel = next(found for found in explained if found.factor.code == "steel")
    assert steel.formula == "quantity × factor × gwp"
    [gwp] = steel.terms[-1].parts
    assert (gwp.origin, gwp.what) == (Origin.ORIGIN_GWP_SET, "kg CO2e of the factor's gases under AR6 / AR4")
    assert gwp.value == pytest.approx((1.5 + 0.02 * 27.9) / 2.0)


async def test_a_run_that_is_not_there_is_refused(client: AsyncClient) -> None:
    await import_sets(client)
    name = f"{await upload(client, 3)}/emissions/0"
    with pytest.raises(NotFound):
        await client.explain(name, as_of="runs/999999")
    with pytest.raises(InvalidRequest) as raised:
        await client.explain(name, as_of="the last one")
    assert raised.value.metadata["field"] == "as_of"
