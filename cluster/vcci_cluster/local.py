"""In-process execution: bounded pools of threads (NumPy lets go of the interpreter lock)."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from vcci_cluster.interrupts import Interruptible
from vcci_cluster.lanes import FairSlots, Lane
from vcci_cluster.work import Observe, Place, Work, attempt

R = TypeVar("R")


class LocalPool:
    """Runs works on threads; those that find none free wait in their lanes."""

    def __init__(self, threads: int, lanes: Sequence[Lane], observe: Observe) -> None:
        self._lanes = {lane.name: lane for lane in lanes}
        shared = _Threads(threads, [lane for lane in lanes if not lane.apart])
        self._threads = {lane.name: _Threads(threads, [lane]) if lane.apart else shared for lane in lanes}
        self._observe = observe

    def slots(self, lane: str) -> FairSlots:
        """Return the slots that a lane's works run in."""
        return self._threads[lane].slots

    async def run(self, work: Work[R]) -> R:
        """Run one work. A cancelled caller returns at once; the work is interrupted, and has its slot to its end."""
        threads = self._threads[work.lane]
        slots = threads.slots
        await slots.acquire(work.lane, work.estimated_s)
        loop = asyncio.get_running_loop()
        call = Interruptible(work.function, *work.shared, *work.args)
        running = threads.pool.submit(call)
        running.add_done_callback(lambda _: loop.call_soon_threadsafe(slots.release, work.lane, work.estimated_s))
        async with attempt(work, Place.IN_PROCESS, self._lanes[work.lane].time_limit_s, self._observe):
            try:
                return await asyncio.wrap_future(running)
            except asyncio.CancelledError:
                call.interrupt()
                raise

    async def close(self) -> None:
        """Wait for the works that run."""
        for threads in set(self._threads.values()):
            await asyncio.to_thread(threads.pool.shutdown)


class _Threads:
    """Threads, and the slots that say which lane has them."""

    def __init__(self, count: int, lanes: Sequence[Lane]) -> None:
        self.slots = FairSlots(count, lanes, spared=1)
        self.pool = ThreadPoolExecutor(count, thread_name_prefix="vcci-work")
