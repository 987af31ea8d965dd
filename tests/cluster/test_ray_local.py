"""Works on a Ray of this machine: the same bits, and nothing lost when workers or the driver die."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import pytest_asyncio
from vcci_cluster import LANES, Executor, Lane, Place, RayOptions, TimeLimitExceeded, Work, open_executor
from vcci_engine.scenarios import run

from tests.cluster import works
from tests.cluster.processes import alive, children, session
from tests.engine import test_scenarios as scenarios
from tests.engine.samples import FACTORS, TABLE, Row, batch
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
R = TypeVar("R")
OPTIONS = RayOptions(cpus=2, retries=2, kill_after_s=2.0, object_store_bytes=100 << 20)
HASTY = Lane("hasty", weight=1, time_limit_s=0.1)
observed: list[tuple[str, Place, str]] = []


def observe(name: str, place: Place, status: str, seconds: float) -> None:
    observed.append((name, place, status))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_executor() -> AsyncIterator[Executor]:
    before = set(children(os.getpid()))
    async with open_executor("local", threads=1, ray=OPTIONS, lanes=(*LANES, HASTY), observe=observe) as executor:
        yield executor
    await until(lambda: set(children(os.getpid())) <= before)


@pytest.fixture
def executor(shared_executor: Executor) -> Executor:
    observed.clear()
    return shared_executor


def work(function: Callable[..., R], *args: object, lane: str = "calculator") -> Work[R]:
    """Return a work that is worth sending."""
    return Work("task", function, args, estimated_s=60.0, rows=1, lane=lane)


async def process_in(marker: Path) -> int:
    return await until(lambda: marker.exists() and int(marker.read_text()), timeout_s=60)


async def test_results_are_the_same_bits_in_both_places(executor: Executor) -> None:
    there = await executor.run(work(works.simulate, 7, 50_000))
    here = await executor.run(Work("task", works.simulate, (7, 50_000), estimated_s=0.0, rows=50_000))
    assert [place for _, place, _ in observed] == [Place.RAY, Place.IN_PROCESS]
    assert {name: column.tobytes() for name, column in there.items()} == {
        name: column.tobytes() for name, column in here.items()
    }


async def test_the_engine_calculates_the_same_bits_in_both_places(executor: Executor) -> None:
    rows = [Row(quantity=n / 7, quality=n % 5, country="DE", factor=FACTORS[n % 5][1]) for n in range(5_000)]
    activities = batch(*rows)
    there, here = [
        await executor.run(Work("task", works.inventory, (activities,), estimated_s, 5_000, shared=(TABLE,)))
        for estimated_s in (60.0, 0.0)
    ]
    assert [place for _, place, _ in observed] == [Place.RAY, Place.IN_PROCESS]
    assert len(here.errors.row) < len(rows), "some rows are right"
    for name in ("kg_co2e", "sigma", "factor", "method", "quality", "quantity"):
        assert getattr(there.emissions, name).tobytes() == getattr(here.emissions, name).tobytes()
    assert there.errors.row.tobytes() == here.errors.row.tobytes()
    assert (there.errors.reason, there.errors.value) == (here.errors.reason, here.errors.value)


async def test_works_run_in_processes_of_their_own(executor: Executor) -> None:
    assert await executor.run(work(works.process)) != os.getpid()
    assert executor.ray_is_up


async def test_an_error_of_the_work_passes_unchanged_and_is_not_repeated(executor: Executor) -> None:
    with pytest.raises(works.NoFactor) as caught:
        await executor.run(work(works.refuse, 7))
    assert type(caught.value) is works.NoFactor
    assert caught.value.row == 7
    assert observed == [("task", Place.RAY, "failure")]


async def test_a_work_that_cannot_be_sent_is_the_callers_error(executor: Executor) -> None:
    with pytest.raises(AttributeError, match="Can't pickle local object"):
        await executor.run(work(lambda: None))
    assert executor.ray_is_up


async def test_many_works_at_once_each_get_their_own_result(executor: Executor) -> None:
    results = await asyncio.gather(*(executor.run(work(abs, -number)) for number in range(200)))
    assert results == list(range(200))


async def test_a_shared_value_is_sent_once_and_kept_by_workers(executor: Executor) -> None:
    table = {"factor": np.arange(1_000_000.0)}
    index = np.array([3, 1, 4], dtype=np.int64)
    looked_up = Work("task", works.look_up, (index,), estimated_s=60.0, rows=3, shared=(table,))
    assert (await executor.run(looked_up)).tolist() == [3.0, 1.0, 4.0]
    identities = Work("task", works.identity, (), estimated_s=60.0, rows=0, shared=(table,))
    seen = [await executor.run(identities) for _ in range(6)]
    assert len(set(seen)) == len({process for process, _ in seen}), "each worker unpickled it once"


async def test_shared_values_beyond_those_kept_are_sent_again(executor: Executor) -> None:
    tables = [{"factor": np.full(5, float(number))} for number in range(20)]
    index = np.array([0], dtype=np.int64)
    for table in [*tables, *tables]:
        looked_up = Work("task", works.look_up, (index,), estimated_s=60.0, rows=1, shared=(table,))
        assert (await executor.run(looked_up)).tolist() == [table["factor"][0]]


async def test_a_killed_worker_costs_a_retry_not_the_work(executor: Executor, tmp_path: Path) -> None:
    caller = asyncio.create_task(executor.run(work(works.hang_once, tmp_path / "pid", 42)))
    os.kill(await process_in(tmp_path / "pid"), signal.SIGKILL)
    assert await caller == 42
    assert observed == [("task", Place.RAY, "retry"), ("task", Place.RAY, "success")]


async def test_a_work_that_kills_every_worker_runs_in_this_process(
    executor: Executor, caplog: pytest.LogCaptureFixture
) -> None:
    assert await executor.run(work(works.die_elsewhere, os.getpid())) == os.getpid()
    attempts = 1 + OPTIONS.retries
    assert observed == [("task", Place.RAY, "retry")] * attempts + [("task", Place.IN_PROCESS, "success")]
    assert [record.levelname for record in caplog.records if "Ray lost task at every" in record.message] == ["WARNING"]
    assert executor.ray_is_up


async def test_a_cancelled_work_is_interrupted(executor: Executor, tmp_path: Path) -> None:
    caller = asyncio.create_task(executor.run(work(works.spin, tmp_path / "pid")))
    await process_in(tmp_path / "pid")
    caller.cancel()
    await asyncio.wait([caller])
    assert caller.cancelled()
    await until((tmp_path / "pid.interrupted").exists)


async def test_a_cancelled_work_that_does_not_stop_loses_its_worker(executor: Executor, tmp_path: Path) -> None:
    caller = asyncio.create_task(executor.run(work(works.hang_once, tmp_path / "pid", 42)))
    stubborn = await process_in(tmp_path / "pid")
    caller.cancel()
    await asyncio.wait([caller])
    await until(lambda: not alive(stubborn))
    assert observed == [("task", Place.RAY, "cancelled")]


async def test_a_work_over_its_time_limit_fails_its_caller(executor: Executor, tmp_path: Path) -> None:
    with pytest.raises(TimeLimitExceeded):
        await executor.run(work(works.hang_once, tmp_path / "pid", 42, lane="hasty"))
    assert observed == [("task", Place.RAY, "time_limit")]


async def test_a_lost_driver_costs_no_work_and_comes_back(
    executor: Executor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    callers = [asyncio.create_task(executor.run(work(works.hang_once, tmp_path / f"{n}", n))) for n in range(3)]
    workers = [await process_in(tmp_path / f"{n}") for n in range(2)]
    (tmp_path / "2").write_text("0")  # the third waits for a CPU
    (driver,) = [pid for pid in children(os.getpid()) if workers[0] in descendants(pid)]
    os.kill(driver, signal.SIGKILL)
    assert await asyncio.gather(*callers) == [0, 1, 2]
    assert observed.count(("task", Place.IN_PROCESS, "success")) == 3
    await until(lambda: executor.ray_is_up, timeout_s=120)
    assert await executor.run(work(works.process)) not in (os.getpid(), *workers)
    assert [record.message for record in caplog.records if record.levelname == "WARNING"][1:] == ["Ray is back"]
    assert not session(driver)


def descendants(pid: int) -> set[int]:
    return {pid}.union(*map(descendants, children(pid)))


async def test_this_process_is_left_as_it_was(executor: Executor) -> None:
    assert "ray" not in sys.modules
    assert not [name for name in os.environ if name.startswith("RAY_")]
    assert sys.excepthook.__module__ != "ray._private.worker"


async def test_a_scenario_is_the_same_bits_in_both_places(executor: Executor) -> None:
    arguments = (scenarios.CELLS, [scenarios.LESS, scenarios.TO_RAIL, scenarios.GREEN], scenarios.FACTORS)
    there = await executor.run(Work("scenario", run, arguments, estimated_s=60.0, rows=5, lane="hotspot"))
    assert observed == [("scenario", Place.RAY, "success")]
    assert there == run(*arguments)
