"""A unit of pure work, where it may run, and how its run is timed, limited and counted."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from time import perf_counter
from typing import Generic, TypeVar

from vcci_cluster.errors import RayLost, TimeLimitExceeded

R = TypeVar("R")


class Place(StrEnum):
    """Where a work runs."""

    IN_PROCESS = "in_process"
    RAY = "ray"


@dataclass(frozen=True, slots=True)
class Work(Generic[R]):
    """One call of a pure, module-level function: `function(*shared, *args)`.

    It may run in another process, more than once, and on read-only copies of its arrays.
    """

    name: str  # the task's name in metrics: "calculate", "decode_rows"
    function: Callable[..., R]  # pickled by reference
    args: tuple[object, ...]
    estimated_s: float  # CPU seconds of the plain computation
    rows: int  # rows that would travel to Ray and back
    lane: str = "calculator"
    shared: tuple[object, ...] = ()  # large, immutable, used by many works: sent to Ray once per object
    time_limit_s: float | None = None  # from when it starts to run; each attempt has its own


@dataclass(frozen=True, slots=True)
class RayOptions:
    """How Ray is used; the address and the token are given apart."""

    cpus: int | None = None  # of a local Ray; all of the machine's when None
    object_store_bytes: int = 256 << 20  # of a local Ray
    retries: int = 3  # further attempts on Ray; the last resort is always this process
    max_calls: int = 0  # a worker process is replaced after so many works; 0: never
    kill_after_s: float = 5.0  # a cancelled work is interrupted, and its worker killed so much later
    start_timeout_s: float = 120.0  # four seconds on an idle machine, half a minute on a busy one


@dataclass(slots=True)
class Counts:
    """How many works ended in each place, and how many attempts Ray lost."""

    in_process: int = 0
    ray: int = 0
    retried: int = 0


Observe = Callable[[str, Place, str, float], None]
"""Told of each attempt: task name, place, status (success, failure, retry, time_limit, cancelled), seconds."""


def unobserved(name: str, place: Place, status: str, seconds: float) -> None:
    """Observe nothing."""


@dataclass(frozen=True, slots=True)
class Recorder:
    """Times attempts and counts what became of them."""

    observe: Observe = unobserved
    counts: Counts = field(default_factory=Counts)

    @asynccontextmanager
    async def attempt(self, work: Work[R], place: Place) -> AsyncIterator[None]:
        """Run the body as one attempt of `work`, within its time limit."""
        started, status = perf_counter(), "failure"
        limit = asyncio.timeout(work.time_limit_s)
        try:
            async with limit:
                yield
            status = "success"
        except TimeoutError as error:
            if not limit.expired():
                raise
            status = "time_limit"
            raise TimeLimitExceeded(f"{work.name} took longer than {work.time_limit_s} s") from error
        except asyncio.CancelledError:
            status = "cancelled"
            raise
        except RayLost:
            status = "retry"
            raise
        finally:
            self._record(work.name, place, status, perf_counter() - started)

    def _record(self, name: str, place: Place, status: str, seconds: float) -> None:
        if status == "retry":
            self.counts.retried += 1
        elif place is Place.RAY:
            self.counts.ray += 1
        else:
            self.counts.in_process += 1
        self.observe(name, place, status, seconds)
