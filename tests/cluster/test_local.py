"""Works in this process: results, errors, slots, what is observed."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import pytest
from vcci_cluster import Executor, Lane, Place, TimeLimitExceeded, Work, open_executor
from vcci_engine.errors import Overloaded

from tests.cluster import works
from tests.waiting import until

Observed = list[tuple[str, Place, str]]


@pytest.fixture
def observed() -> Observed:
    return []


@pytest.fixture
async def executor(observed: Observed) -> AsyncIterator[Executor]:
    def observe(name: str, place: Place, status: str, seconds: float) -> None:
        observed.append((name, place, status))

    lanes = (
        Lane("calculator", weight=9, waiting=1),
        Lane("hasty", weight=1, time_limit_s=0.05),
        Lane("reading", weight=1, at_once=True),
    )
    async with open_executor(None, threads=1, lanes=lanes, observe=observe) as executor:
        yield executor


def work(function: Callable[..., object], *args: object, lane: str = "calculator") -> Work[object]:
    return Work("task", function, args, estimated_s=1.0, rows=1, lane=lane)


def tell_and_wait(started: threading.Event, go: threading.Event) -> bool:
    started.set()
    return go.wait()


async def test_a_work_runs_on_a_thread_of_this_process(executor: Executor) -> None:
    name = await executor.run(Work("task", threading.current_thread, (), estimated_s=60.0, rows=0))
    assert name is not threading.current_thread()
    assert not executor.ray_is_up


async def test_shared_values_come_before_the_arguments(executor: Executor) -> None:
    assert await executor.run(Work("task", divmod, (3,), estimated_s=1.0, rows=1, shared=(10,))) == (3, 1)


async def test_an_error_of_the_work_passes_unchanged(executor: Executor, observed: Observed) -> None:
    with pytest.raises(works.NoFactor) as caught:
        await executor.run(work(works.refuse, 7))
    assert caught.value.row == 7
    assert observed == [("task", Place.IN_PROCESS, "failure")]


async def test_a_timeout_raised_by_the_work_is_not_taken_for_the_time_limit(executor: Executor) -> None:
    def fail() -> None:
        raise TimeoutError("of the work")

    with pytest.raises(TimeoutError, match="of the work"):
        await executor.run(work(fail))


async def test_a_cancelled_caller_returns_while_its_thread_keeps_the_slot(
    executor: Executor, observed: Observed
) -> None:
    started, go = threading.Event(), threading.Event()
    caller = asyncio.create_task(executor.run(work(tell_and_wait, started, go)))
    await until(started.is_set)
    caller.cancel()
    await asyncio.wait([caller])
    follower = asyncio.create_task(executor.run(work(abs, -3)))
    await until(lambda: executor.waiting("calculator") == 1)
    go.set()
    assert await follower == 3
    assert observed == [("task", Place.IN_PROCESS, "cancelled"), ("task", Place.IN_PROCESS, "success")]


async def test_a_work_over_its_time_limit_fails_its_caller(executor: Executor, observed: Observed) -> None:
    go = threading.Event()
    with pytest.raises(TimeLimitExceeded, match=r"task took longer than 0\.05 s"):
        await executor.run(work(go.wait, lane="hasty"))
    go.set()
    assert observed == [("task", Place.IN_PROCESS, "time_limit")]


async def test_a_work_over_its_time_limit_is_interrupted(executor: Executor) -> None:
    ended: list[str] = []
    with pytest.raises(TimeLimitExceeded):
        await executor.run(work(spin, ended, lane="hasty"))
    await until(lambda: ended == ["running", "interrupted"])
    assert await executor.run(work(abs, -3)) == 3


async def test_a_work_whose_caller_is_cancelled_is_interrupted(executor: Executor) -> None:
    ended: list[str] = []
    caller = asyncio.create_task(executor.run(work(spin, ended)))
    await until(lambda: ended == ["running"])
    caller.cancel()
    await until(lambda: ended == ["running", "interrupted"])


def spin(told: list[str]) -> None:
    """Compute until interrupted."""
    told.append("running")
    try:
        while True:
            pass
    except BaseException:
        told.append("interrupted")
        raise


async def test_a_lane_that_runs_at_once_does_not_wait_for_the_others(executor: Executor) -> None:
    go = threading.Event()
    bulk = asyncio.create_task(executor.run(work(go.wait)))
    await until(lambda: executor.running("calculator") == 1)
    assert await executor.run(work(abs, -3, lane="reading")) == 3
    assert executor.running("calculator") == 1
    go.set()
    await bulk


async def test_a_full_lane_refuses_works(executor: Executor) -> None:
    go = threading.Event()
    callers = [asyncio.create_task(executor.run(work(go.wait))) for _ in range(2)]
    await until(lambda: executor.waiting("calculator") == 1)
    with pytest.raises(Overloaded):
        await executor.run(work(abs, -3))
    go.set()
    assert await asyncio.gather(*callers) == [True, True]


async def test_closing_waits_for_running_works() -> None:
    started, go = threading.Event(), threading.Event()
    async with open_executor(None, threads=2) as executor:
        caller = asyncio.create_task(executor.run(work(tell_and_wait, started, go)))
        await until(started.is_set)
        asyncio.get_running_loop().call_soon(go.set)
    assert await caller is True
