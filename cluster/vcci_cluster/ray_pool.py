"""Works on Ray: lanes, repeated attempts, and a new driver when the old one or the cluster has gone."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

from vcci_cluster.errors import RayLost, RayUnavailable
from vcci_cluster.lanes import FairSlots, Lane
from vcci_cluster.ray_link import RayLink
from vcci_cluster.work import Observe, Place, RayOptions, Work, attempt

R = TypeVar("R")
OpenLink = Callable[[], Awaitable[RayLink]]
WORKS_PER_CPU = 2  # sent at once, so that no CPU idles while the next one travels
FIRST_RECONNECT_S = 1.0
LAST_RECONNECT_S = 60.0
logger = logging.getLogger(__name__)


class RayPool:
    """Runs works on Ray, as long as it is `up`."""

    def __init__(
        self, reopen: OpenLink, link: RayLink, options: RayOptions, lanes: Sequence[Lane], observe: Observe
    ) -> None:
        self.slots = FairSlots(WORKS_PER_CPU * max(link.cpus, 1), lanes)
        self._link = link
        self._reopen = reopen
        self._retries = options.retries
        self._lanes = {lane.name: lane for lane in lanes}
        self._observe = observe
        self._losing = False  # told already; one warning until a work succeeds
        self._keeper = asyncio.create_task(self._keep())

    @classmethod
    async def open(
        cls, address: str, token: str | None, options: RayOptions, lanes: Sequence[Lane], observe: Observe
    ) -> "RayPool":
        """Start Ray (`local`) or join it (`auto`, `host:port`); raise RayUnavailable."""
        open_link = partial(RayLink.open, address, token, options)
        return cls(open_link, await open_link(), options, lanes, observe)

    @property
    def up(self) -> bool:
        """Tell whether Ray answers."""
        return not self._link.lost.is_set()

    async def run(self, work: Work[R]) -> R:
        """Run one work; repeat it when Ray loses it; raise RayLost when Ray does so every time, or has gone."""
        await self.slots.acquire(work.lane, work.estimated_s)
        try:
            result = await self._run(work)
            self._losing = False
            return result
        except RayLost as lost:
            if self.up and not self._losing:
                logger.warning("Ray lost %s at every attempt (%s); such works run in this process", work.name, lost)
            self._losing = True
            raise
        finally:
            self.slots.release(work.lane, work.estimated_s)

    async def _run(self, work: Work[R]) -> R:
        attempts, lane = 1 + self._retries, self._lanes[work.lane]
        while True:
            try:
                async with attempt(work, Place.RAY, lane.time_limit_s, self._observe):
                    return await self._link.call(work, lane.ray_resource)
            except RayLost:
                attempts -= 1
                if not attempts or not self.up:
                    raise

    async def close(self) -> None:
        """Leave Ray; a local one stops."""
        self._keeper.cancel()
        await asyncio.wait([self._keeper])
        await self._link.close()

    async def _keep(self) -> None:
        while True:
            await self._link.lost.wait()
            logger.warning("Ray is lost (%s); works run in this process until it is back", self._link.last_words())
            await self._link.close()
            self._link = await self._reconnect()
            logger.warning("Ray is back")

    async def _reconnect(self) -> RayLink:
        pause_s = FIRST_RECONNECT_S
        while True:
            await asyncio.sleep(pause_s)
            try:
                return await self._reopen()
            except RayUnavailable as error:
                logger.debug("%s", error)
            pause_s = min(2 * pause_s, LAST_RECONNECT_S)
