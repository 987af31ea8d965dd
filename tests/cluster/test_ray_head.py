"""Works on a cluster that an operator started: joining it, its token, and its end."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import pytest_asyncio
from vcci_cluster import Executor, Lane, Place, RayOptions, RayUnavailable, Work, open_executor

from tests.cluster import works
from tests.cluster.ray_head import Head, running_head
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
R = TypeVar("R")
LANES = (Lane("calculator", weight=9), Lane("reporting", weight=3, ray_resource="vcci_reporting"))
observed: list[tuple[str, Place, str]] = []


def observe(name: str, place: Place, status: str, seconds: float) -> None:
    observed.append((name, place, status))


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    with running_head() as head:
        yield head


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def executor(head: Head) -> AsyncIterator[Executor]:
    async with open_executor(
        head.address, threads=1, ray_token=head.token, ray=RayOptions(max_calls=1), lanes=LANES, observe=observe
    ) as executor:
        yield executor


def work(function: Callable[..., R], *args: object, lane: str = "calculator") -> Work[R]:
    return Work("task", function, args, estimated_s=60.0, rows=1, lane=lane)


async def test_works_run_on_the_cluster(executor: Executor) -> None:
    assert await executor.run(work(works.process)) != os.getpid()


async def test_a_worker_process_is_replaced_after_its_calls(executor: Executor) -> None:
    seen = [await executor.run(work(works.process)) for _ in range(3)]
    assert len(set(seen)) == 3


async def test_a_lane_with_a_resource_runs_where_that_is(executor: Executor) -> None:
    assert await executor.run(work(abs, -3, lane="reporting")) == 3


@pytest.mark.parametrize("token", ["0" * 64, None])
async def test_a_wrong_or_missing_token_is_told(head: Head, token: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/nonexistent")  # a developer's own token
    with pytest.raises(RayUnavailable, match=f"Ray at '{head.address}' cannot be used: .*(?i:authentication token)"):
        async with open_executor(head.address, threads=1, ray_token=token):
            pass


async def test_a_lost_cluster_costs_no_work(
    head: Head, executor: Executor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    callers = [asyncio.create_task(executor.run(work(works.hang_once, tmp_path / f"{n}", n))) for n in range(3)]
    await until(lambda: len(list(tmp_path.glob("?"))) == 2)
    for marker in "012":
        (tmp_path / marker).touch()  # whoever waits for a CPU returns at once when it is run here
    observed.clear()
    head.kill()
    assert await asyncio.gather(*callers) == [0, 1, 2]
    assert observed.count(("task", Place.IN_PROCESS, "success")) == 3
    assert not executor.ray_is_up
    assert await executor.run(work(works.process)) == os.getpid()
    (warning,) = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert "does not answer any more" in warning
