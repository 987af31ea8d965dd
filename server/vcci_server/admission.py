"""What may be under way at once: open streams, and the bytes of their batches in memory."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from vcci_engine.errors import Overloaded

from vcci_server.metrics import Metrics

USUAL_BATCH_BYTES = 1 << 20  # messages of 1 MiB are fastest, and clients send them
LEAST_CREDITS = 2  # one batch on its way while another is committed
STREAM_RETRY_S = 5.0


class Admission:
    """Counts streams and bytes of all uploads and calculations; for one event loop."""

    def __init__(self, *, max_bytes: int, max_streams: int, credits: int, metrics: Metrics) -> None:
        self._free_bytes = self._max_bytes = max_bytes
        self._max_streams = max_streams
        self._credits = credits
        self._metrics = metrics
        self._streams = 0
        self._queue: deque[tuple[asyncio.Future[None], int]] = deque()

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[int]:
        """Hold one stream, and give how many batches it may have unacknowledged; raise Overloaded when none is free."""
        if self._streams >= self._max_streams:
            raise Overloaded(f"{self._max_streams} streams are open already", retry_after_s=STREAM_RETRY_S)
        self._streams += 1
        share = self._max_bytes // (self._streams * USUAL_BATCH_BYTES)
        credits = min(self._credits, max(share, LEAST_CREDITS))
        self._metrics.streams.inc()
        self._metrics.credits.inc(credits)
        try:
            yield credits
        finally:
            self._streams -= 1
            self._metrics.streams.dec()
            self._metrics.credits.dec(credits)

    async def take(self, size: int) -> None:
        """Wait, first come, first served, until there is room for a batch; give it back after.

        A batch larger than all the room takes all of it.
        """
        size = min(size, self._max_bytes)
        turn = asyncio.get_running_loop().create_future()
        self._queue.append((turn, size))
        self._grant()
        try:
            await turn
        except asyncio.CancelledError:
            self._give_up(turn, size)
            raise

    def give_back(self, size: int) -> None:
        """Free the room of a batch."""
        self._free_bytes += min(size, self._max_bytes)
        self._grant()

    def _grant(self) -> None:
        while self._queue and self._queue[0][1] <= self._free_bytes:
            turn, size = self._queue.popleft()
            if not turn.done():
                self._free_bytes -= size
                self._metrics.bytes.inc(size)
                turn.set_result(None)
        self._metrics.bytes_in_flight.set(self._max_bytes - self._free_bytes)

    def _give_up(self, turn: asyncio.Future[None], size: int) -> None:
        if turn.cancelled():
            self._queue = deque(waiting for waiting in self._queue if waiting[0] is not turn)
            self._grant()
        else:  # granted in the moment of the cancellation
            self.give_back(size)
