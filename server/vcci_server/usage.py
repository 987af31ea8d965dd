"""What one tenant uses of its quota in this process."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from vcci_engine.errors import QuotaExceeded

from vcci_server.metrics import Metrics
from vcci_server.rooms import Room

BURST_S = 1.0  # what comes within, of what it may use a second, comes at once
LEAST_RETRY_S = 0.1
STREAM_RETRY_S = 5.0
COUNTED_FOR_S = 1.0  # other processes store rows, too
TOLD_EVERY_S = 60.0  # the log, of each quota

logger = logging.getLogger(__name__)

CountRows = Callable[[], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Quota:
    """What a tenant may use; 0: as much as there is."""

    calls_per_s: int = 0
    rows_per_s: int = 0
    streams: int = 0
    in_flight_bytes: int = 0
    stored_rows: int = 0


class Rate:
    """So many a second, 0 for any number: the generic cell rate algorithm (ITU-T I.371), with a burst of BURST_S.

    Times are of a clock that does not go back, in seconds.
    """

    __slots__ = ("_each_s", "_until")

    def __init__(self, per_s: float) -> None:
        self._until = 0.0  # by when what was taken is paid for
        self.set(per_s)

    def set(self, per_s: float) -> None:
        """Have another rate from now on."""
        self._each_s = 1 / per_s if per_s else 0.0

    def owed_s(self, now: float) -> float:
        """Return after how many seconds there is something to take; not more than 0: at once."""
        return self._until - now - BURST_S

    def take(self, count: int, now: float) -> None:
        """Take some, more than there is if need be: those who come next wait for longer."""
        until = self._until
        self._until = (until if until > now else now) + count * self._each_s

    def give_back(self, count: int) -> None:
        """Take back what was not used."""
        self._until -= count * self._each_s


class Usage:
    """What one tenant uses, and may; for one event loop."""

    def __init__(self, tenant: str, quota: Quota, metrics: Metrics) -> None:
        self.tenant = tenant
        self.quota = quota
        self.calls = Rate(quota.calls_per_s)
        self._rows = Rate(quota.rows_per_s)
        self._room = Room(quota.in_flight_bytes)
        self._streams = 0
        self._stored = _StoredRows()
        self._metrics = metrics
        self._told_at: dict[str, float] = {}

    def set_quota(self, quota: Quota) -> None:
        """Have another quota from now on."""
        self.quota = quota
        self.calls.set(quota.calls_per_s)
        self._rows.set(quota.rows_per_s)
        self._room.resize(quota.in_flight_bytes)

    def too_many_calls(self, now: float) -> QuotaExceeded:
        """Return the error of a call beyond the rate."""
        return self._exceeded("calls_per_s", "calls a second", max(self.calls.owed_s(now), LEAST_RETRY_S))

    def begin_stream(self) -> None:
        """Count a stream until `end_stream`; raise QuotaExceeded when there are as many as may be."""
        if self.quota.streams and self._streams >= self.quota.streams:
            raise self._exceeded("streams", "streams open at once", STREAM_RETRY_S)
        self._streams += 1

    def end_stream(self) -> None:
        """Count a stream less."""
        self._streams -= 1

    def rows_at_once(self, most: int) -> int:
        """Return how many rows a batch should have at most, that it and those of the other streams wait seconds."""
        rows = self.quota.rows_per_s // max(self._streams, 1)
        return min(most, max(rows, 1)) if self.quota.rows_per_s else most

    async def take(self, size: int, rows: int) -> None:
        """Wait until a batch may be taken in, by its rows and its bytes; give the bytes back after."""
        if rows and self.quota.rows_per_s:
            await self._pace(rows)
        await self._room.take(size)

    def give_back(self, size: int) -> None:
        """Free the bytes of a batch."""
        self._room.give_back(size)

    @asynccontextmanager
    async def storing(self, rows: int, count: CountRows) -> AsyncIterator[None]:
        """Store so many rows in the body; raise QuotaExceeded where the tenant would have more than it may.

        `count` tells how many it has, and is asked about once a second.
        """
        limit = self.quota.stored_rows
        if not limit or not rows:
            yield
            return
        if not await self._stored.reserve(rows, limit, count):
            raise self._exceeded("stored_rows", "rows stored", None)
        try:
            yield
        except BaseException:
            self._stored.end(rows, 0)
            raise
        self._stored.end(rows, rows)

    async def _pace(self, rows: int) -> None:
        now = time.monotonic()
        owed_s = self._rows.owed_s(now)
        self._rows.take(rows, now)
        if owed_s <= 0:
            return
        self._metrics.paced_seconds.inc(owed_s)
        try:
            await asyncio.sleep(owed_s)
        except asyncio.CancelledError:
            self._rows.give_back(rows)
            raise

    def _exceeded(self, name: str, what: str, retry_after_s: float | None) -> QuotaExceeded:
        self._metrics.quota_refusals.labels(name).inc()
        limit = getattr(self.quota, name)
        now = time.monotonic()
        if now - self._told_at.get(name, -TOLD_EVERY_S) >= TOLD_EVERY_S:
            self._told_at[name] = now
            logger.warning("a tenant is at its quota", extra={"tenant": self.tenant, "quota": name, "limit": limit})
        end = "remove some, or ask the operator for more" if retry_after_s is None else "try again after the delay"
        return QuotaExceeded(
            f"the tenant has a quota of {limit:,} {what} (`{name}`): {end}",
            tenant=self.tenant,
            quota=name,
            limit=limit,
            retry_after_s=retry_after_s,
        )


class _StoredRows:
    """How many rows a tenant has by the ledger, and how many are on their way there."""

    def __init__(self) -> None:
        self._counted = 0
        self._counted_at = float("-inf")
        self._on_the_way = 0
        self._ended = asyncio.Event()
        self._turn = asyncio.Lock()  # first come, first served: a later transaction may wait for an earlier one

    async def reserve(self, rows: int, limit: int, count: CountRows) -> bool:
        """Note rows that are about to be stored, until `end`; False: there would be more than the limit.

        That is said only by a fresh count while none is on its way, which may or may not be in the ledger.
        """
        async with self._turn:
            if time.monotonic() - self._counted_at > COUNTED_FOR_S:
                await self._count(count)
            while self._counted + self._on_the_way + rows > limit:
                if self._on_the_way:
                    self._ended.clear()
                    await self._ended.wait()
                    continue
                await self._count(count)
                if self._counted + rows > limit:
                    return False
            self._on_the_way += rows
            return True

    def end(self, rows: int, stored: int) -> None:
        """Forget what was noted: so many of it are in the ledger."""
        self._on_the_way -= rows
        self._counted += stored
        self._ended.set()

    async def _count(self, count: CountRows) -> None:
        self._counted = await count()
        self._counted_at = time.monotonic()
