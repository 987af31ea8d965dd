"""SimulateEmissions over a real channel: the draws of every row, whatever they are summed by and wherever they lie."""

from collections.abc import AsyncIterator, Sequence
from itertools import permutations
from typing import Any

import grpc
import numpy as np
import pytest
from vcci.v1 import emission_pb2
from vcci.v1 import emission_service_pb2 as pb
from vcci_engine.montecarlo import Draws, Rows, cell_sums, own_sigma
from vcci_engine.simulations import Cells, Simulation, of_draws, place_draws
from vcci_server import emissions, simulating
from vcci_server.storage.pool import Pool

from tests.server.emission_reader import DIMENSIONS, Reader, problem, refusal, serve_emissions
from tests.server.stored_emissions import Row, StoredEmissions
from tests.waiting import until

DRAWS = 1_000


@pytest.fixture
async def reader(pool: Pool) -> AsyncIterator[Reader]:
    """The service, with uploads at every stage."""
    async with serve_emissions(pool) as reader:
        yield reader


def expected(store: StoredEmissions, rows: Sequence[Row], seed: int = 0) -> Simulation:
    """What rows come to, all drawn at once."""
    draws = Draws(0, DRAWS, seed)
    factors = sorted({row.factor_id for row in rows})
    columns = Rows(
        upload=np.array([row.upload_id for row in rows]),
        row=np.array([row.row for row in rows], np.uint32),
        kg_co2e=np.array([row.kg_co2e for row in rows]),
        sigma=own_sigma(np.array([row.quality for row in rows]), np.array([row.factor_id for row in rows], np.uint32)),
        cell=np.array([factors.index(row.factor_id) for row in rows]),
    )
    sigma2 = np.array([store.factors[factor][1] for factor in factors])
    cells = Cells(np.full(len(factors), -1), np.array(factors), sigma2)
    return of_draws(place_draws(cell_sums(columns, len(factors), draws), cells, 0, draws))[0]


def told(simulation: emission_pb2.Simulation) -> Simulation:
    names = ("draws", *(f"kg_co2e_{name}" for name in ("mean", "sd", "p2_5", "p5", "p50", "p95", "p97_5")))
    return Simulation(*(getattr(simulation, name) for name in names))


@pytest.mark.parametrize("size", [0, 1, 2])
async def test_draws_are_summed_by_every_dimension(reader: Reader, size: int) -> None:
    store = reader.store
    for dimensions in permutations(DIMENSIONS, size):
        asked: dict[str, Any] = {"group_by": dimensions, "limit": 5}
        result = await reader.simulated(**asked, draws=DRAWS)
        totals = await reader.totals(**asked)
        assert result.group_count == totals.group_count
        for found, group in zip([*result.groups, result.total], [*totals.groups, totals.total], strict=True):
            keys = tuple(group.keys)
            rows = [row for row in store.visible if tuple(DIMENSIONS[d](row) for d in dimensions)[: len(keys)] == keys]
            assert told(found.estimate.simulation) == expected(store, rows)
            found.estimate.ClearField("simulation")
            assert found == group  # Fenton and Wilkinson's, as AggregateEmissions has it


async def test_a_filter_chooses_what_is_drawn(reader: Reader) -> None:
    asked = {"categories": [1, 7], "supplier_codes": ["S03", "S07", "S11"]}
    rows = [row for row in reader.store.visible if row.category in (1, 7) and row.supplier in ("S03", "S07", "S11")]
    result = await reader.simulated(filter=asked, draws=DRAWS, seed=5)
    assert result.total.rows == len(rows)
    assert told(result.total.estimate.simulation) == expected(reader.store, rows, seed=5)


async def test_nothing_is_simulated_as_zeros(reader: Reader) -> None:
    result = await reader.simulated(
        filter={"supplier_codes": ["nobody"]}, group_by=[pb.DIMENSION_SUPPLIER], draws=DRAWS
    )
    assert (result.group_count, result.total.rows) == (0, 0)
    assert told(result.total.estimate.simulation) == Simulation(DRAWS, *[0.0] * 7)


async def test_folding_and_merging_change_no_bit(reader: Reader) -> None:
    asked = {"group_by": [pb.DIMENSION_CATEGORY, pb.DIMENSION_FACTOR], "draws": DRAWS}
    before = await reader.simulated(**asked)
    going_on = reader.stages.uploads[2]
    await reader.store.finalize(going_on)
    await reader.stages.fold(1_000)
    assert await reader.simulated(**asked) == before
    await reader.stages.merge_all()
    assert await reader.simulated(**asked) == before


async def test_the_size_of_works_and_of_ranges_of_draws_changes_no_bit(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"group_by": [pb.DIMENSION_SUPPLIER], "draws": 1_500}
    whole = await reader.simulated(**asked)
    monkeypatch.setattr(simulating, "WORK_S", 0.0)
    monkeypatch.setattr(simulating, "MOST_AHEAD", 3)
    monkeypatch.setattr("vcci_engine.simulations.BLOCK_VALUES", 1_000)
    assert await reader.simulated(**asked) == whole


async def test_progress_counts_the_draws_of_rows_to_the_end(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulating, "WORK_S", 0.0)
    told = [response.progress async for response in reader.simulate(draws=DRAWS) if response.HasField("progress")]
    done = [progress.row_draws for progress in told]
    assert done == sorted(done)
    assert done[0] < done[-1] == len(reader.store.visible) * DRAWS == told[0].total_row_draws


async def test_a_cancelled_simulation_ends_and_lets_the_next_one_in(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulating, "WORK_S", 0.0)
    monkeypatch.setattr(emissions, "MOST_SIMULATIONS", 1)
    call = reader.simulate(draws=1_000_000)
    await anext(aiter(call))
    assert await refusal(reader.simulated(draws=DRAWS)) == ("RESOURCE_EXHAUSTED", "OVERLOADED")
    call.cancel()

    async def free() -> bool:
        try:
            return (await reader.simulated(draws=DRAWS)).total.rows == len(reader.store.visible)
        except grpc.aio.AioRpcError:
            return False

    await until(free)


async def test_another_tenant_draws_nothing(reader: Reader) -> None:
    other = await StoredEmissions.of_new_tenant(reader.store.pool)
    assert (await reader.simulated(tenant=other.tenant, draws=DRAWS)).total.rows == 0


@pytest.mark.parametrize(
    ("request_", "field", "reason"),
    [
        ({"draws": 999}, "draws", "OUT_OF_RANGE"),
        ({"draws": 1_000_001}, "draws", "OUT_OF_RANGE"),
        ({"draws": -1}, "draws", "OUT_OF_RANGE"),
        ({"group_by": [2, 2]}, "group_by", "MALFORMED_VALUE"),
        ({"limit": -1}, "limit", "OUT_OF_RANGE"),
        ({"filter": {"categories": [16]}}, "filter.categories[0]", "UNKNOWN_CATEGORY"),
    ],
)
async def test_a_wrong_request_is_refused_with_its_field(
    reader: Reader, request_: dict[str, Any], field: str, reason: str
) -> None:
    assert await problem(reader.simulated(**request_)) == (field, reason)


@pytest.mark.parametrize(("limit", "most"), [("MOST_ROW_DRAWS", 999 * 160), ("MOST_GROUP_DRAWS", 2_999)])
async def test_more_than_can_be_done_is_refused(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    monkeypatch.setattr(simulating, limit, most)
    asked = {"group_by": [pb.DIMENSION_METHOD], "draws": DRAWS}
    assert await problem(reader.simulated(**asked)) == ("draws", "LIMIT_EXCEEDED")
