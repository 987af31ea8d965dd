"""The one place that decides where a work runs, and the executor that carries it there."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from vcci_cluster.errors import RayLost
from vcci_cluster.lanes import LANES, Lane
from vcci_cluster.local import LocalPool
from vcci_cluster.work import Observe, Place, RayOptions, Work, unobserved

if TYPE_CHECKING:
    from vcci_cluster.ray_pool import RayPool

__all__ = ["DEFAULT_RAY_THRESHOLD_S", "Executor", "Place", "RayOptions", "Work", "open_executor", "place"]

# Measured, docs/decisions/0003: from here Ray gives more works per second even on the same cores, and a calmer loop.
DEFAULT_RAY_THRESHOLD_S = 0.02
PASSING_S_PER_ROW = 0.2e-6

R = TypeVar("R")


def place(work: Work[R], ray_threshold_s: float) -> Place:
    """Choose Ray for a work that computes for longer than the threshold and than passing its rows takes."""
    pays = work.estimated_s > ray_threshold_s + work.rows * PASSING_S_PER_ROW
    return Place.RAY if pays else Place.IN_PROCESS


class Executor:
    """Runs works in this process or on Ray. A work that Ray loses for good runs in this process: works are pure."""

    def __init__(self, local: LocalPool, ray: "RayPool | None", ray_threshold_s: float) -> None:
        self._local = local
        self._ray = ray
        self._ray_threshold_s = ray_threshold_s

    async def run(self, work: Work[R]) -> R:
        """Return the work's result or raise its error; raise Overloaded when its lane is full."""
        if self._ray and self._ray.up and place(work, self._ray_threshold_s) is Place.RAY:
            with suppress(RayLost):
                return await self._ray.run(work)
        return await self._local.run(work)

    @property
    def ray_is_up(self) -> bool:
        """Tell whether works can be sent to Ray now."""
        return self._ray is not None and self._ray.up

    def waiting(self, lane: str) -> int:
        """Return how many works wait in a lane, for either place."""
        return self._local.slots.waiting(lane) + (self._ray.slots.waiting(lane) if self._ray else 0)

    def running(self, lane: str) -> int:
        """Return how many works of a lane run, in either place."""
        return self._local.slots.running(lane) + (self._ray.slots.running(lane) if self._ray else 0)

    async def close(self) -> None:
        """Wait for the works in this process, and leave Ray; a local Ray stops."""
        await self._local.close()
        if self._ray:
            await self._ray.close()


@asynccontextmanager
async def open_executor(
    ray_address: str | None,
    *,
    threads: int,
    ray_threshold_s: float = DEFAULT_RAY_THRESHOLD_S,
    ray_token: str | None = None,
    ray: RayOptions = RayOptions(),  # noqa: B008  frozen
    lanes: Sequence[Lane] = LANES,
    observe: Observe = unobserved,
) -> AsyncIterator[Executor]:
    """Open an executor: without an address in this process only, else also on Ray at `local`, `auto` or `host:port`.

    Raises RayUnavailable when Ray cannot be started or joined.
    """
    pool = await _open_ray(ray_address, ray_token, ray, lanes, observe) if ray_address else None
    executor = Executor(LocalPool(threads, lanes, observe), pool, ray_threshold_s)
    try:
        yield executor
    finally:
        await executor.close()


async def _open_ray(
    address: str, token: str | None, options: RayOptions, lanes: Sequence[Lane], observe: Observe
) -> "RayPool":
    from vcci_cluster.ray_pool import RayPool

    return await RayPool.open(address, token, options, lanes, observe)
