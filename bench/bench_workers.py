"""What further Ray workers add to one: the service's own works, sent one after the other and several at a time."""

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

import psutil
import pytest
from vcci_cluster import Executor, RayOptions, Work, open_executor

from bench.harness import Figures, Harness, per_second
from bench.processes import CpuMeter
from bench.sizes import Sizes
from bench.works import KINDS

CORES = os.cpu_count() or 1
WORKERS = (1, 2, 4, 8)
REQUIRED_RATIO = 1.7  # of two workers to one, on two cores


@dataclass(frozen=True, slots=True)
class Ray:
    """A local Ray, and the loop that sends works to it."""

    runner: asyncio.Runner
    executor: Executor


@pytest.fixture(scope="module")
def ray(sizes: Sizes) -> Iterator[Ray]:
    """One Ray for all: its start costs more than what is measured."""
    opened = open_executor("local", threads=1, ray=RayOptions(cpus=sizes.workers), ray_threshold_s=0.0)
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        executor = runner.run(stack.enter_async_context(opened))
        yield Ray(runner, executor)
        runner.run(stack.aclose())


@pytest.mark.parametrize("kind", list(KINDS))
def test_workers(harness: Harness, ray: Ray, sizes: Sizes, kind: str) -> None:
    """What do two Ray workers add to one, and what does it cost to spread works over four and eight, which here share
    the cores: rows per CPU second of all processes, against one worker's?
    """
    works = KINDS[kind](sizes)
    counts = [number for number in WORKERS if number <= sizes.workers]
    harness.take_turns({_name(number): partial(_sent, ray, works, number) for number in counts})
    harness.ratio("rows/s", _name(2), _name(1), at_least=REQUIRED_RATIO if kind == "Monte Carlo" else None)
    for number in counts[1:]:
        harness.ratio("rows/CPU-s", _name(number), _name(1))


def _name(workers: int) -> str:
    word = "worker" if workers == 1 else "workers"
    return f"{workers} {word}" + (", simulated" if workers > CORES else "")


def _sent(ray: Ray, works: Sequence[Work[object]], at_once: int) -> Figures:
    async def one_after_the_other(mine: Sequence[Work[object]]) -> None:
        for work in mine:
            await ray.executor.run(work)

    async def run() -> None:
        await asyncio.gather(*(one_after_the_other(works[place::at_once]) for place in range(at_once)))

    meter, passing, begin = CpuMeter({"all": psutil.Process()}), _passing_s(), time.perf_counter()
    ray.runner.run(run())
    seconds, rows = time.perf_counter() - begin, sum(work.rows for work in works)
    passed = (_passing_s() - passing) / rows * 1e6
    return {**per_second(rows, seconds, meter.read()["all"]), "passing CPU-s/M": passed}


def _passing_s() -> float:
    """Return the CPU seconds of this process and of the driver, its child: what all works go through, one by one."""
    me = psutil.Process()
    return sum(sum(process.cpu_times()[:2]) for process in (me, *me.children()))
