"""A time limit for calls whose clients set none: those that would never end hold memory and connections for nobody."""

import asyncio
from time import perf_counter

LOOK_EVERY_S = 1.0


class Deadlines:
    """The calls that have begun, the oldest first; all have the same limit, so one look ends those that are due.

    A timer of each call would cost microseconds, which single calculations would pay.
    """

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._begun: dict[asyncio.Task[object], float] = {}
        self._ended: set[asyncio.Task[object]] = set()

    def begin(self, now: float) -> "asyncio.Task[object]":
        """Limit the current task until `end`; the time is of `perf_counter`."""
        task = asyncio.current_task()
        assert task is not None
        self._begun[task] = now
        return task

    def is_over(self, task: "asyncio.Task[object]") -> bool:
        """Whether a task was cancelled since its time was up."""
        return task in self._ended

    def end(self, task: "asyncio.Task[object]") -> None:
        """Leave a task alone."""
        if self._begun.pop(task, None) is None and task in self._ended:
            self._ended.remove(task)
            task.uncancel()

    async def watch(self) -> None:
        """Go on cancelling the tasks whose time is up."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self._look(perf_counter())

    def _look(self, now: float) -> None:
        while self._begun:
            task, begun = next(iter(self._begun.items()))
            if now - begun < self.limit_s:
                return
            del self._begun[task]
            self._ended.add(task)
            task.cancel()
