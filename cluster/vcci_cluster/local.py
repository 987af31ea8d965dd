"""In-process execution: a bounded pool of threads (NumPy lets go of the interpreter lock)."""

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
        self.slots = FairSlots(threads, lanes, spared=1)
        self._lanes = {lane.name: lane for lane in lanes}
        self._threads = ThreadPoolExecutor(
            2 * threads, thread_name_prefix="vcci-work"
        )  # for lanes that run at once, too
        self._observe = observe

    async def run(self, work: Work[R]) -> R:
        """Run one work. A cancelled caller returns at once; the work is interrupted, and has its slot to its end."""
        await self.slots.acquire(work.lane, work.estimated_s)
        loop = asyncio.get_running_loop()
        call = Interruptible(work.function, *work.shared, *work.args)
        running = self._threads.submit(call)
        running.add_done_callback(lambda _: loop.call_soon_threadsafe(self.slots.release, work.lane, work.estimated_s))
        async with attempt(work, Place.IN_PROCESS, self._lanes[work.lane].time_limit_s, self._observe):
            try:
                return await asyncio.wrap_future(running)
            except asyncio.CancelledError:
                call.interrupt()
                raise

    async def close(self) -> None:
        """Wait for the works that run."""
        await asyncio.to_thread(self._threads.shutdown)
