"""Runs part by part, on a real database: the same bytes wherever and in whatever parts, through any interruption."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from google.rpc import code_pb2, status_pb2
from vcci.v1.calculation_service_pb2 import RecalculateRequest
from vcci.v1.run_pb2 import RunCause
from vcci_cluster import Executor, open_executor
from vcci_engine.activities import Activities
from vcci_engine.calculate import calculate
from vcci_engine.restatement import Cause
from vcci_engine.segments import cut
from vcci_engine.suppliers import Suppliers
from vcci_server.importers import FactorRecord
from vcci_server.keeping import NO_ERRORS
from vcci_server.recalculation import Recalculation
from vcci_server.storage import factors, folding, runs
from vcci_server.storage import uploads as ledger
from vcci_server.storage.ingest import PreparedBatch, commit_batches
from vcci_server.storage.partitions import PartitionKeeper
from vcci_server.storage.pool import Pool
from vcci_server.storage.reading import Filter
from vcci_server.storage.restating import read_part, settle
from vcci_server.storage.run_sums import read_changes, total_of
from vcci_server.storage.runs import RunRecord
from vcci_server.storage.suppliers import SupplierStore

from tests.waiting import until

CODES = tuple(f"S{number:02}" for number in range(40))
ROWS_PER_SEGMENT = 60
BATCHES, BATCH_ROWS = 6, 500

# What a run stores, but for its own number.
STORED = """
SELECT upload_id, merge_version, batch_offset, segment, quarter, n, factor_set_id, price_set_id, method_version,
    ug_co2e, totals, input_hash, row, supplier, category, method, quantity, unit, factor, quality, kg_co2e, sigma,
    notices, inputs
FROM emission_segments WHERE run_id = $1 ORDER BY upload_id, merge_version, batch_offset, segment
"""
SUMS = "SELECT upload_id, rollups, changes FROM run_uploads WHERE run_id = $1 ORDER BY upload_id"
DIFFERENCES = "SELECT bucket, upload_id, changes FROM run_differences WHERE run_id = $1 ORDER BY bucket, upload_id"


def record(code: str, kg_co2e: float, unit: str) -> FactorRecord:
    return FactorRecord("made", code, code, "", 2023, unit, kg_co2e, {}, "AR5", 1.1, 0, "", "", "made for a test")


OLD = (record("steel", 2.0, "kg"), record("power", 0.5, "kWh"), record("gone", 9.0, "kg"))
NEW = (record("steel", 3.1, "kg"), record("power", 0.5, "kWh"))


@dataclass(frozen=True, slots=True)
class Inventory:
    """Stored emissions of a tenant under the old set, in two uploads of many small segments."""

    pool: Pool
    tenant_id: int
    new_set: int
    uploads: tuple[int, ...]

    async def begin(self, chosen: Filter = Filter(), **asked: Any) -> RunRecord:  # noqa: B008  frozen
        """Make a run under the new set."""
        request = RecalculateRequest(request_id=uuid4().hex, **asked)
        new = runs.NewRun(request.request_id, request.SerializeToString(), self.new_set, 0)
        return await runs.create(self.pool, self.tenant_id, new, chosen)

    async def get(self, run: RunRecord) -> RunRecord:
        return await runs.get(self.pool, self.tenant_id, run.run_id)

    async def ended(self, run: RunRecord) -> RunRecord:
        """Return a run when it has ended."""

        async def it() -> RunRecord | None:
            found = await self.get(run)
            return None if found.state == "running" else found

        found = await until(it, 60)
        assert found is not None
        return found

    async def stored(self, run: RunRecord) -> list[list[tuple[Any, ...]]]:
        """Return all that a run has stored, but for errors."""
        return [
            [tuple(row) for row in await self.pool.fetch(query, run.run_id)] for query in (STORED, SUMS, DIFFERENCES)
        ]

    async def left(self, run: RunRecord) -> int:
        """Return how many rows of tables a run has left."""
        tables = ("emission_segments", "run_uploads", "run_differences", "run_row_errors")
        counts = [await self.pool.fetchval(f"SELECT count(*) FROM {of} WHERE run_id = $1", run.run_id) for of in tables]
        return sum(counts)


@pytest.fixture
async def inventory(pool: Pool) -> Inventory:
    tenant_id = await pool.fetchval("INSERT INTO tenants (name) VALUES ($1) RETURNING tenant_id", uuid4().hex)
    await factors.import_set(pool, tenant_id, "old", OLD, activate=True)
    new = await factors.import_set(pool, tenant_id, "new", NEW)
    uploads = tuple([await _upload(pool, tenant_id, seed) for seed in (1, 2)])
    return Inventory(pool, tenant_id, new.factor_set_id, uploads)


async def _upload(pool: Pool, tenant_id: int, seed: int) -> int:
    table = await factors.load_table(pool, tenant_id)
    ids = await SupplierStore(pool).resolve(tenant_id, Suppliers.of(CODES, (), ("",) * len(CODES)))
    made = await ledger.create(pool, tenant_id, request_id=uuid4().hex, mode="committed")
    opened = await ledger.open_upload(pool, tenant_id, made.upload_id)
    rng, keeper = np.random.default_rng(seed), PartitionKeeper(pool)
    for offset in range(0, BATCHES * BATCH_ROWS, BATCH_ROWS):
        calculation = calculate(_activities(rng), table)
        segments = cut(calculation.emissions, ids, ("kg", "kWh"), offset, ROWS_PER_SEGMENT)
        batch = PreparedBatch(offset, BATCH_ROWS, BATCH_ROWS, 0, calculation.basis, segments, NO_ERRORS)
        await commit_batches(pool, keeper, tenant_id, made.upload_id, opened.epoch, [batch])
    await ledger.finalize(pool, tenant_id, made.upload_id)
    return made.upload_id


def _activities(rng: np.random.Generator) -> Activities:
    kind = rng.choice(3, BATCH_ROWS, p=(0.5, 0.4, 0.1)).astype(np.uint32)
    return Activities(
        suppliers=Suppliers.of(CODES),
        units=("kg", "kWh"),
        factors=("made:steel", "made:power", "made:gone"),
        supplier=rng.integers(0, len(CODES), BATCH_ROWS).astype(np.uint32),
        category=rng.integers(1, 4, BATCH_ROWS).astype(np.uint32),
        quantity=rng.lognormal(3, 2, BATCH_ROWS),
        unit=(kind == 1).astype(np.uint32),
        period=rng.integers(19_723, 20_454, BATCH_ROWS).astype(np.int32),
        factor=kind,
    )


@asynccontextmanager
async def at_work(pool: Pool, executor: Executor, part_rows: int) -> AsyncIterator[None]:
    """Carry runs on until the end of the body."""
    task = asyncio.create_task(Recalculation(pool, executor, part_rows=part_rows).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def executor() -> AsyncIterator[Executor]:
    async with open_executor(None, threads=2) as executor:
        yield executor


def test_causes_have_the_numbers_of_the_contract() -> None:
    told = {name.removeprefix("RUN_CAUSE_"): number for name, number in RunCause.items() if number}
    assert {cause.name: cause.value for cause in Cause} == told


async def test_parts_of_any_size_give_the_same_bytes(inventory: Inventory, executor: Executor) -> None:
    found = []
    for part_rows in (1, 700, 200_000):
        run = await inventory.begin()
        async with at_work(inventory.pool, executor, part_rows):
            assert (await inventory.ended(run)).state == "succeeded"
        found.append(await inventory.stored(run))
    assert found[0] == found[1] == found[2]
    assert all(found[0])


async def test_ray_and_this_process_give_the_same_bytes(inventory: Inventory, executor: Executor) -> None:
    here = await inventory.begin()
    async with at_work(inventory.pool, executor, 700):
        await inventory.ended(here)
    places: Counter[tuple[str, str]] = Counter()

    def observe(name: str, place: str, status: str, seconds: float) -> None:
        places[name, place] += 1

    on_ray = await inventory.begin()
    async with (
        open_executor("local", threads=2, ray_threshold_s=0.0, observe=observe) as ray,
        at_work(inventory.pool, ray, 700),
    ):
        assert (await inventory.ended(on_ray)).state == "succeeded"
    assert places["recalculate", "ray"] > 1
    assert not places["recalculate", "in_process"]
    assert await inventory.stored(here) == await inventory.stored(on_ray)


async def test_a_run_that_is_interrupted_after_any_part_ends_with_the_same_bytes(
    inventory: Inventory, executor: Executor
) -> None:
    whole = await inventory.begin()
    async with at_work(inventory.pool, executor, 200_000):
        await inventory.ended(whole)
    stops = 0
    again = await inventory.begin()
    while (before := await inventory.get(again)).state == "running":
        async with at_work(inventory.pool, executor, 1):

            async def got_further(done: int = before.rows_done) -> bool:
                now = await inventory.get(again)
                return now.rows_done > done or now.state != "running"

            await until(got_further, 60)
        stops += 1
    assert stops > 2
    end = await inventory.get(again)
    assert (end.state, end.rows_done, end.rejected_rows) == (
        "succeeded",
        2 * BATCHES * BATCH_ROWS,
        (await inventory.get(whole)).rejected_rows,
    )
    assert await inventory.stored(again) == await inventory.stored(whole)


async def test_two_processes_that_carry_a_run_on_at_once_do_each_part_once(
    inventory: Inventory, executor: Executor
) -> None:
    alone, together = await inventory.begin(), await inventory.begin()
    async with at_work(inventory.pool, executor, 100), at_work(inventory.pool, executor, 130):
        ends = [await inventory.ended(run) for run in (alone, together)]
    assert [(end.state, end.rows_done) for end in ends] == [("succeeded", 2 * BATCHES * BATCH_ROWS)] * 2
    assert await inventory.stored(alone) == await inventory.stored(together)


async def test_a_cancelled_run_stores_nothing_more_and_leaves_nothing(inventory: Inventory, executor: Executor) -> None:
    run = await inventory.begin()
    async with at_work(inventory.pool, executor, 1):

        async def has_begun() -> bool:
            return (await inventory.get(run)).rows_done > 0

        await until(has_begun, 60)
        assert await inventory.left(run) > 0
        await runs.cancel(inventory.pool, inventory.tenant_id, run.run_id)
        cancelled = await inventory.get(run)

        async def is_swept() -> bool:
            return not await inventory.left(run)

        await until(is_swept, 60)
    end = await inventory.get(run)
    assert (end.state, end.rows_done) == ("cancelled", cancelled.rows_done)
    assert 0 < end.rows_done < end.rows_total


async def test_what_a_deleted_run_has_stored_goes_when_it_was_kept_long_enough(
    inventory: Inventory, executor: Executor
) -> None:
    deleted, other = await inventory.begin(), await inventory.begin()
    async with at_work(inventory.pool, executor, 200_000):
        assert {(await inventory.ended(run)).state for run in (deleted, other)} == {"succeeded"}
    kept = await inventory.stored(other)
    await runs.delete(inventory.pool, inventory.tenant_id, deleted.run_id)
    await runs.sweep(inventory.pool)
    assert await inventory.left(deleted) == await inventory.left(other) > 0
    await runs.sweep(inventory.pool, kept=timedelta(0))
    assert await inventory.left(deleted) == 0
    assert await inventory.stored(other) == kept
    assert not await inventory.pool.fetchval("SELECT count(*) FROM runs WHERE run_id = $1", deleted.run_id)


async def test_an_upload_abandoned_meanwhile_is_left_out(inventory: Inventory, executor: Executor) -> None:
    run = await inventory.begin()
    gone, kept = inventory.uploads
    await settle(inventory.pool, executor, inventory.tenant_id, gone)
    part = await read_part(inventory.pool, run, Filter(), run.done, rows=1)
    assert {held.position.upload_id for held in part.held} == {gone}
    await ledger.abandon(inventory.pool, inventory.tenant_id, gone, folding.unfold)
    async with at_work(inventory.pool, executor, 200_000):
        assert (await inventory.ended(run)).state == "succeeded"
    segments, sums, differences = await inventory.stored(run)
    assert {row[0] for row in segments} == {row[0] for row in sums} == {row[1] for row in differences} == {kept}
    async with inventory.pool.acquire() as db:
        changes = await read_changes(db, asyncio.to_thread, inventory.tenant_id, run.run_id)
    total = total_of(list(changes.values()))
    assert total.rows == BATCHES * BATCH_ROWS
    assert set(total.causes) == {Cause.FACTOR_VALUE, Cause.NOT_CALCULABLE}


@pytest.mark.parametrize(
    ("altered", "code"),
    [
        ("quantity = substr(quantity, 9) || substr(quantity, 1, 8)", code_pb2.DATA_LOSS),  # readable, of other rows
        ("units = '{}'", code_pb2.DATA_LOSS),
        ("kg_co2e = ''", code_pb2.INTERNAL),  # a result: no input
    ],
)
async def test_a_run_over_what_was_altered_fails_and_says_so(
    inventory: Inventory, executor: Executor, altered: str, code: int
) -> None:
    run = await inventory.begin()
    last = f"UPDATE emission_segments SET {altered} WHERE upload_id = $1 AND run_id = 0"
    await settle(inventory.pool, executor, inventory.tenant_id, inventory.uploads[1])
    await inventory.pool.execute(last, inventory.uploads[1])
    async with at_work(inventory.pool, executor, 1):
        end = await inventory.ended(run)

        async def is_swept() -> bool:
            return not await inventory.left(run)

        await until(is_swept, 60)
    assert end.state == "failed"
    assert end.error is not None
    assert status_pb2.Status.FromString(end.error).code == code
    assert 0 < end.rows_done < end.rows_total
