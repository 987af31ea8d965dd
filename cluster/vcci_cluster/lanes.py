"""Lanes: queues that share the places to run by weight, so that a bulk upload does not starve a single call."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from vcci_engine.errors import Overloaded

LEAST_COST_S = 1e-4  # a work that calls itself free still takes its turn
LONG_S = 1.0


@dataclass(frozen=True, slots=True)
class Lane:
    """A bounded queue with a weight."""

    name: str
    weight: int  # its share of the places while other lanes wait too
    waiting: int = 1024  # works that may wait; one more is refused
    in_flight: int | None = None  # works that may run at once in each place
    time_limit_s: float = 120.0  # of a work from when it starts: it is interrupted; a Ray worker is killed later
    ray_resource: str | None = None  # a custom resource that its tasks ask one unit of, to give it nodes of its own
    at_once: bool = False  # never waits for other lanes: it takes a place more while they have all


LANES = (
    Lane("intake", weight=10),
    Lane("calculator", weight=9),
    Lane("hotspot", weight=7),
    Lane("simulation", weight=4),
    Lane("upkeep", weight=4),  # folding and merging
    Lane("reporting", weight=3, in_flight=1),
    Lane("reading", weight=10, at_once=True),
)


class FairSlots:
    """A number of slots, handed to lanes by start-time fair queueing (Goyal, Vin, Cheng 1996).

    While several lanes wait, each gets slot time (the sum of `cost_s`) in proportion to its weight; within a lane the
    first come are the first served. Works of more than LONG_S leave `spared` slots free, if there are more, so that
    what is short need not wait for their end. Lanes that run at once have as many slots as there are, whatever the
    others hold; those then get no new ones beyond half of all until the sum is right again. For one event loop.
    """

    def __init__(self, slots: int, lanes: Sequence[Lane], *, spared: int = 0) -> None:
        self._slots = slots
        self._free = slots  # below 0 while lanes that run at once have slots more
        self._kept = max(slots // 2, 1)  # of the lanes that wait, whatever the others do
        self._waiters = 0  # works of these that run
        self._free_for_long = max(slots - spared, 1)
        self._now = 0.0
        self._queues = {lane.name: _Queue(lane) for lane in lanes}

    async def acquire(self, lane: str, cost_s: float) -> None:
        """Wait for a slot; raise Overloaded when the lane is full."""
        queue = self._queues[lane]
        ticket = asyncio.get_running_loop().create_future()
        queue.admit(ticket, max(cost_s, LEAST_COST_S), self._now)
        self._grant()
        if not ticket.done() and len(queue.tickets) > queue.lane.waiting:
            queue.tickets.pop()
            raise Overloaded(f"{queue.lane.waiting} works wait in lane {lane} already")
        try:
            await ticket
        except asyncio.CancelledError:
            self._give_up(lane, ticket, cost_s)
            raise

    def release(self, lane: str, cost_s: float) -> None:
        """Give a slot back that was acquired at the same cost."""
        queue = self._queues[lane]
        self._free += 1
        self._free_for_long += cost_s > LONG_S
        self._waiters -= not queue.lane.at_once
        queue.running -= 1
        self._grant()

    def waiting(self, lane: str) -> int:
        """Return how many works wait in a lane."""
        return len(self._queues[lane].tickets)

    def running(self, lane: str) -> int:
        """Return how many works of a lane have slots."""
        return self._queues[lane].running

    def _grant(self) -> None:
        while ready := [queue for queue in self._queues.values() if self._is_ready(queue)]:
            queue = min(ready, key=lambda queue: queue.start)
            ticket, cost_s = queue.tickets.popleft()
            if ticket.cancelled():
                continue
            if not queue.lane.at_once:
                self._now = queue.start
                queue.start += cost_s / queue.lane.weight
                self._waiters += 1
            queue.running += 1
            self._free -= 1
            self._free_for_long -= cost_s > LONG_S
            ticket.set_result(None)

    def _is_ready(self, queue: "_Queue") -> bool:
        if queue.lane.at_once:
            return queue.ready and queue.running < self._slots
        has_slot = self._free > 0 or self._waiters < self._kept
        return has_slot and queue.ready and (self._free_for_long > 0 or queue.tickets[0][1] <= LONG_S)

    def _give_up(self, lane: str, ticket: asyncio.Future[None], cost_s: float) -> None:
        if ticket.cancelled():
            self._queues[lane].forget(ticket)
        else:  # granted in the moment of the cancellation
            self.release(lane, cost_s)


class _Queue:
    """One lane's waiting works, and the virtual time at which its next one starts."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.tickets: deque[tuple[asyncio.Future[None], float]] = deque()
        self.running = 0
        self.start = 0.0

    @property
    def ready(self) -> bool:
        return bool(self.tickets) and (self.lane.in_flight is None or self.running < self.lane.in_flight)

    def admit(self, ticket: asyncio.Future[None], cost_s: float, now: float) -> None:
        if not self.tickets:
            self.start = max(self.start, now)  # an idle lane saves up no share
        self.tickets.append((ticket, cost_s))

    def forget(self, ticket: asyncio.Future[None]) -> None:
        self.tickets = deque(waiting for waiting in self.tickets if waiting[0] is not ticket)
