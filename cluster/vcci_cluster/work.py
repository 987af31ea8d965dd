"""A unit of pure work, where it may run, and how its run is timed and limited."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class RayOptions:
    """How Ray is used; the address and the token are given apart."""

    cpus: int | None = None  # of a local Ray; all of the machine's when None
    object_store_bytes: int = 256 << 20  # of a local Ray
    retries: int = 3  # further attempts on Ray; the last resort is always this process
    max_calls: int = 0  # a worker process is replaced after so many works; 0: never
    kill_after_s: float = 5.0  # a cancelled work is interrupted, and its worker killed so much later
    start_timeout_s: float = 120.0  # four seconds on an idle machine, half a minute on a busy one


Observe = Callable[[str, Place, str, float], None]
"""Told of each attempt: task name, place, status (success, failure, retry, time_limit, cancelled), seconds."""


def unobserved(name: str, place: Place, status: str, seconds: float) -> None:
    """Observe nothing."""


@asynccontextmanager
async def attempt(work: Work[R], place: Place, limit_s: float, observe: Observe) -> AsyncIterator[None]:
    """Run the body as one attempt of `work`, within a time limit, and tell how it ended."""
    started, status = perf_counter(), "failure"
    limit = asyncio.timeout(limit_s)
    try:
        async with limit:
            yield
        status = "success"
    except TimeoutError as error:
        if not limit.expired():
            raise
        status = "time_limit"
        raise TimeLimitExceeded(f"{work.name} took longer than {limit_s:g} s") from error
    except asyncio.CancelledError:
        status = "cancelled"
        raise
    except RayLost:
        status = "retry"
        raise
    finally:
        observe(work.name, place, status, perf_counter() - started)
