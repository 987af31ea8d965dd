"""A generator of unary calls, after ghz: so many callers on so many connections, or so many calls a second.

Closed loop: each caller waits for its answer, and pauses as people do, before it calls again; so a slow server is asked
less. Open loop: calls begin when they are due, whatever the answers do. Either way a call's latency counts from the
moment it was due; so neither a stalled server nor a late generator hides the calls that should have been made meanwhile
(coordinated omission).
"""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import grpc
import grpc.aio
import numpy as np
import numpy.typing as npt
import uvloop

from bench.latency import Latencies

FloatArray = npt.NDArray[np.float64]
Call = Callable[[], Awaitable[bytes]]
Metadata = tuple[tuple[str, str], ...]

PERCENTILES = {"p50 ms": 50.0, "p95 ms": 95.0, "p99 ms": 99.0, "p99.9 ms": 99.9}
SEED = 7
DRAWN = 9_973  # methods, then the same again


@dataclass(frozen=True, slots=True)
class Load:
    """How to call: `callers` at once, each pausing between its calls, or at the moments of `arrivals_s` if any."""

    duration_s: float = 0.0
    callers: int = 1
    connections: int = 1
    pause_s: tuple[float, float] = (0.0, 0.0)  # at least, at most
    arrivals_s: Sequence[float] = ()  # since the beginning, in order


@dataclass(frozen=True, slots=True)
class Method:
    """What to call: messages are bytes, so that the generator's own work is the same whatever it calls."""

    target: str
    path: str  # /package.Service/Method
    payload: bytes
    metadata: Metadata = ()
    timeout_s: float = 30.0


class CallsFailed(AssertionError):
    """Calls failed that were all to be answered."""


@dataclass(frozen=True)
class Outcome:
    """The calls that ended, in any order; `seconds` from the first beginning to the last end. Arrays are parallel."""

    seconds: float
    due_s: FloatArray  # since the beginning
    latencies_s: FloatArray
    statuses: Sequence[str]  # names of gRPC's codes

    @cached_property
    def answered(self) -> npt.NDArray[np.bool_]:
        """Which calls were answered, not refused."""
        return np.array([status == grpc.StatusCode.OK.name for status in self.statuses], bool)

    @cached_property
    def latencies(self) -> Latencies:
        """The histogram of those that were answered."""
        return Latencies(self.latencies_s[self.answered].tolist())

    def all_answered(self) -> "Outcome":
        """Return itself, or raise CallsFailed."""
        if not self.answered.all():
            raise CallsFailed(dict(Counter(self.statuses)))
        return self

    def figures(self) -> dict[str, float]:
        """Return calls answered per second, and percentiles of their latencies."""
        percentiles = {name: self.latencies.percentile_ms(percent) for name, percent in PERCENTILES.items()}
        return {"calls/s": float(self.answered.sum()) / self.seconds, **percentiles}


def run(load: Load, *methods: Method) -> Outcome:
    """Make the calls; several methods are drawn, each as often."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(calling(load, methods))


def single(method: Method) -> bytes:
    """Make one call and return its answer."""

    async def call() -> bytes:
        async with _Connection(method.target) as connection:
            return await connection.call(method)()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(call())


async def calling(load: Load, methods: Sequence[Method]) -> Outcome:
    """Make the calls from this event loop."""
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(_Connection(methods[0].target)) for _ in range(load.connections)]
        calls = [[connection.call(method) for method in methods] for connection in connections]
        if len(load.arrivals_s):
            return await open_loop(draw(calls), load.arrivals_s)
        callers = [draw([of], seed) for seed, of in _dealt(calls, load.callers)]
        return await closed_loop(callers, load.duration_s, load.pause_s)


def _dealt(calls: Sequence[Sequence[Call]], callers: int) -> Iterator[tuple[int, Sequence[Call]]]:
    """Deal the connections out to the callers, in turn."""
    return enumerate(itertools.islice(itertools.cycle(calls), callers))


def draw(calls: Sequence[Sequence[Call]], seed: int = SEED) -> Iterator[Call]:
    """Yield calls for ever: of each connection in turn one of its methods; the same with the same seed."""
    drawn = np.random.Generator(np.random.Philox(seed)).integers(len(calls[0]), size=DRAWN).tolist()
    return (of[number] for of, number in zip(itertools.cycle(calls), itertools.cycle(drawn), strict=False))


class _Log:
    """What became of the calls."""

    def __init__(self) -> None:
        self.begin = time.perf_counter()
        self._calls: list[tuple[float, float, str]] = []

    async def make(self, call: Call, due: float) -> None:
        status = grpc.StatusCode.OK.name
        try:
            await call()
        except grpc.aio.AioRpcError as error:
            status = error.code().name
        self._calls.append((due - self.begin, time.perf_counter() - due, status))

    def outcome(self) -> Outcome:
        due, latencies, statuses = zip(*self._calls, strict=True)
        return Outcome(time.perf_counter() - self.begin, np.array(due), np.array(latencies), statuses)


async def closed_loop(
    callers: Sequence[Iterator[Call]], duration_s: float, pause_s: tuple[float, float] = (0.0, 0.0)
) -> Outcome:
    """Let callers call for `duration_s`, each by itself; those who pause do not all begin at once."""
    log = _Log()
    async with asyncio.TaskGroup() as group:
        for number, calls in enumerate(callers):
            pauses = np.random.Generator(np.random.Philox(SEED + number))
            group.create_task(_keep_calling(calls, log, log.begin + duration_s, partial(pauses.uniform, *pause_s)))
    return log.outcome()


async def _keep_calling(calls: Iterator[Call], log: _Log, end: float, pause: Callable[[], float]) -> None:
    due = log.begin + pause()
    for call in calls:
        if due >= end:
            return
        await _until(due)
        await log.make(call, due)
        due = time.perf_counter() + pause()


async def open_loop(calls: Iterator[Call], arrivals_s: Sequence[float]) -> Outcome:
    """Begin a call at each of these moments."""
    log = _Log()
    async with asyncio.TaskGroup() as group:
        for arrival_s, call in zip(arrivals_s, calls, strict=False):
            due = log.begin + arrival_s
            await _until(due)
            group.create_task(log.make(call, due))
    return log.outcome()


async def _until(due: float) -> None:
    if (early_s := due - time.perf_counter()) > 0:
        await asyncio.sleep(early_s)


def arrivals_s(rate: float, duration_s: float) -> list[float]:
    """Return when independent callers make `rate` calls a second (Poisson): the same moments for every contender."""
    draws = np.random.Generator(np.random.Philox(SEED)).exponential(1 / rate, max(1, round(rate * duration_s)))
    moments: list[float] = np.cumsum(draws).tolist()
    return moments


class _Connection:
    """A connection of its own (gRPC would share one between channels) that is ready when entered."""

    def __init__(self, target: str, ready_s: float = 30.0) -> None:
        self._channel = grpc.aio.insecure_channel(target, options=(("grpc.use_local_subchannel_pool", 1),))
        self._ready_s = ready_s

    async def __aenter__(self) -> "_Connection":
        await asyncio.wait_for(self._channel.channel_ready(), self._ready_s)
        return self

    def call(self, method: Method) -> Call:
        """Return how to call a method."""
        call: Any = self._channel.unary_unary(method.path)
        return partial(call, method.payload, metadata=method.metadata, timeout=method.timeout_s)

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close()
