"""What may be under way at once: open streams, and the bytes of their batches in memory, of all and of each tenant."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from vcci_engine.errors import Overloaded

from vcci_server.auth import Principal
from vcci_server.metrics import Metrics
from vcci_server.quotas import Quotas
from vcci_server.rooms import Room
from vcci_server.usage import Usage

USUAL_BATCH_BYTES = 1 << 20  # messages of 1 MiB are fastest, and clients send them
LEAST_CREDITS = 2  # one batch on its way while another is committed
STREAM_RETRY_S = 5.0


class Admission:
    """Counts streams and bytes of all uploads and calculations; for one event loop."""

    def __init__(self, *, max_bytes: int, max_streams: int, credits: int, metrics: Metrics, quotas: Quotas) -> None:
        self._room = Room(max_bytes)
        self._max_bytes = max_bytes
        self._max_streams = max_streams
        self._credits = credits
        self._metrics = metrics
        self._quotas = quotas
        self._streams = 0

    @asynccontextmanager
    async def stream(self, who: Principal) -> AsyncIterator["Stream"]:
        """Hold one stream; raise Overloaded when none is free, QuotaExceeded when none is free for the tenant."""
        if self._streams >= self._max_streams:
            raise Overloaded(f"{self._max_streams} streams are open already", retry_after_s=STREAM_RETRY_S)
        usage = self._quotas.of(who)
        usage.begin_stream()
        self._streams += 1
        share = self._max_bytes // (self._streams * USUAL_BATCH_BYTES)
        credits = min(self._credits, max(share, LEAST_CREDITS))
        self._metrics.streams.inc()
        self._metrics.credits.inc(credits)
        try:
            yield Stream(credits, usage, self._room, self._metrics)
        finally:
            self._streams -= 1
            usage.end_stream()
            self._metrics.streams.dec()
            self._metrics.credits.dec(credits)


class Stream:
    """One that is open: `credits` batches of it may be unacknowledged."""

    def __init__(self, credits: int, usage: Usage, room: Room, metrics: Metrics) -> None:
        self.credits = credits
        self.usage = usage
        self._room = room
        self._metrics = metrics

    async def take(self, size: int, rows: int) -> None:
        """Wait until a batch may be taken in: until it is the tenant's turn, then for room among all."""
        await self.usage.take(size, rows)
        try:
            await self._room.take(size)
        except asyncio.CancelledError:
            self.usage.give_back(size)
            raise
        self._metrics.bytes.inc(size)
        self._metrics.bytes_in_flight.set(self._room.taken)

    def give_back(self, size: int) -> None:
        """Free the room of batches."""
        self._room.give_back(size)
        self.usage.give_back(size)
        self._metrics.bytes_in_flight.set(self._room.taken)
