"""A generator of unary calls, after ghz: so many callers on so many connections, or so many calls a second.

Closed loop: each caller waits for its answer before it calls again, so a slow server is asked less. Open loop: calls
begin when they are due, whatever the answers do, and a call's latency counts from the moment it was due; so neither a
stalled server nor a late generator hides the calls that should have been made meanwhile (coordinated omission).
"""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
import grpc.aio
import numpy as np
import numpy.typing as npt
import uvloop

FloatArray = npt.NDArray[np.float64]
Call = Callable[[], Awaitable[bytes]]
Metadata = tuple[tuple[str, str], ...]

PERCENTILES = {"p50 ms": 50, "p99 ms": 99, "p99.9 ms": 99.9}
SEED = 7


@dataclass(frozen=True, slots=True)
class Load:
    """How to call: `callers` at once, or `rate` calls a second when that is given."""

    duration_s: float
    callers: int = 1
    connections: int = 1
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class Method:
    """What to call: messages are bytes, so that the generator's own work is the same whatever it calls."""

    target: str
    path: str  # /package.Service/Method
    payload: bytes
    metadata: Metadata = ()
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """The calls that ended, in any order; `seconds` from the first beginning to the last end."""

    seconds: float
    latencies_s: FloatArray

    def figures(self) -> dict[str, float]:
        """Return calls per second and percentiles; a percentile is a latency that occurred, the next higher."""
        percentiles = np.percentile(self.latencies_s, list(PERCENTILES.values()), method="higher") * 1e3
        return {
            "calls/s": len(self.latencies_s) / self.seconds,
            **dict(zip(PERCENTILES, percentiles.tolist(), strict=True)),
        }


def run(load: Load, method: Method) -> Outcome:
    """Make the calls; the first that fails ends all, and is raised."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(load, method))


def single(method: Method) -> bytes:
    """Make one call and return its answer."""

    async def call() -> bytes:
        async with _Connection(method) as connection:
            return await connection()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(call())


async def _run(load: Load, method: Method) -> Outcome:
    async with AsyncExitStack() as stack:
        calls = [await stack.enter_async_context(_Connection(method)) for _ in range(load.connections)]
        if load.rate is not None:
            return await open_loop(calls, load.rate, load.duration_s)
        return await closed_loop(calls, load.callers, load.duration_s)


async def closed_loop(calls: Sequence[Call], callers: int, duration_s: float) -> Outcome:
    """Let `callers` call for `duration_s`, each by itself; `calls` are dealt out in turn."""
    latencies: list[float] = []
    begin = time.perf_counter()
    end = begin + duration_s
    async with asyncio.TaskGroup() as group:
        for call in itertools.islice(itertools.cycle(calls), callers):
            group.create_task(_keep_calling(call, end, latencies))
    return Outcome(time.perf_counter() - begin, np.array(latencies))


async def _keep_calling(call: Call, end: float, latencies: list[float]) -> None:
    while (start := time.perf_counter()) < end:
        await call()
        latencies.append(time.perf_counter() - start)


async def open_loop(calls: Sequence[Call], rate: float, duration_s: float) -> Outcome:
    """Begin `rate` calls a second for `duration_s`, as independent callers would (Poisson); `calls` in turn."""
    latencies: list[float] = []
    begin = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for due, call in zip((begin + arrivals_s(rate, duration_s)).tolist(), itertools.cycle(calls), strict=False):
            if (early_s := due - time.perf_counter()) > 0:
                await asyncio.sleep(early_s)
            group.create_task(_call_once(call, due, latencies))
    return Outcome(time.perf_counter() - begin, np.array(latencies))


def arrivals_s(rate: float, duration_s: float) -> FloatArray:
    """Return when calls are due: the same moments for everybody who is measured at this rate."""
    draws = np.random.Generator(np.random.Philox(SEED)).exponential(1 / rate, max(1, round(rate * duration_s)))
    return np.cumsum(draws)


async def _call_once(call: Call, due: float, latencies: list[float]) -> None:
    await call()
    latencies.append(time.perf_counter() - due)


class _Connection:
    """A connection of its own (gRPC would share one between channels) that is ready when entered."""

    def __init__(self, method: Method) -> None:
        self._method = method
        self._channel = grpc.aio.insecure_channel(method.target, options=(("grpc.use_local_subchannel_pool", 1),))

    async def __aenter__(self) -> Call:
        await asyncio.wait_for(self._channel.channel_ready(), self._method.timeout_s)
        call: Any = self._channel.unary_unary(self._method.path)
        return partial(call, self._method.payload, metadata=self._method.metadata, timeout=self._method.timeout_s)

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close()
