"""The batches of an upload that the server has not made durable yet."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection

from vcci.v1 import upload_service_pb2 as pb

from vcci_client.encode import EncodedBatch
from vcci_client.errors import OutOfStep

BatchesFrom = Callable[[int, pb.BatchLimits], AsyncIterator[EncodedBatch]]


class Window:
    """Batches in the order of their rows: `in_flight`, then those to be sent again, then the source.

    After a refusal nothing is sent until the server has answered all that is in flight, since it refuses that too.
    """

    def __init__(self, batches_from: BatchesFrom) -> None:
        self.in_flight: deque[EncodedBatch] = deque()
        self._batches_from = batches_from
        self._again: deque[EncodedBatch] = deque()
        self._source: AsyncIterator[EncodedBatch] | None = None
        self._ahead: asyncio.Task[EncodedBatch | None] | None = None
        self._taken_through = 0  # rows taken from the source
        self._credits = 1
        self._refusals = 0
        self._expected: int | None = None  # after a refusal: where to go on
        self._draining = False

    def open(self, opened: pb.UploadOpened) -> None:
        """Begin a connection: what is not durable is sent again."""
        self._credits, self._draining = opened.credits, False
        if self._source is None:
            self._source = self._batches_from(opened.committed_through, opened.limits)
            self._taken_through = opened.committed_through
            self._look_ahead()
        self._go_back_to(opened.committed_through)

    async def next_to_send(self) -> EncodedBatch | None:
        """Return the next batch, now in flight; None when answers are to be read first, or nothing is left."""
        if self._expected is not None and not self.in_flight:
            self._go_back_to(self._expected)
        if not self._may_send:
            return None
        batch = self._again.popleft() if self._again else await self._from_source()
        if batch is not None:
            self.in_flight.append(batch)
        return batch

    def coming(self) -> Collection[asyncio.Task[EncodedBatch | None]]:
        """Return the task that makes the next batch, when nothing else keeps that from being sent."""
        return [self._ahead] if self._ahead and self._may_send and not self._again else []

    @property
    def _may_send(self) -> bool:
        return self._expected is None and not self._draining and len(self.in_flight) < max(self._credits, 1)

    def acknowledge(self, ack: pb.BatchAck) -> EncodedBatch:
        """Drop the batch that the server answers, the oldest in flight, and return it."""
        self._credits, self._refusals = ack.credits, 0
        return self.in_flight.popleft()

    def refuse(self, refusal: pb.BatchRefusal) -> int:
        """Keep the refused batch to be sent again; return how often that was so since the last acknowledgement."""
        self._again.append(self.in_flight.popleft())
        if self._expected is None:
            self._expected = refusal.expected_offset
            self._refusals += 1
        return self._refusals

    def drain(self) -> None:
        """Send nothing more on this connection: the server goes down."""
        self._draining = True

    @property
    def is_done(self) -> bool:
        """Whether everything is acknowledged, and the source at its end."""
        return self._source is not None and not (self._ahead or self._again or self.in_flight)

    def close(self) -> None:
        """Stop reading the source."""
        if self._ahead and not self._ahead.cancel() and not self._ahead.cancelled():
            self._ahead.exception()  # seen, if it has one

    def _go_back_to(self, offset: int) -> None:
        kept = sorted((*self.in_flight, *self._again), key=lambda batch: batch.offset)
        self._again = deque(batch for batch in kept if batch.end > offset)
        self.in_flight.clear()
        self._expected = None
        next_row = self._again[0].offset if self._again else self._taken_through
        if next_row != offset:
            raise OutOfStep(offset, next_row)

    async def _from_source(self) -> EncodedBatch | None:
        """Return the source's next batch; None at its end, or while it is not ready and answers may be waiting."""
        if self._ahead is None or (self.in_flight and not self._ahead.done()):
            return None
        batch = await asyncio.shield(self._ahead)
        self._ahead = None
        if batch is not None:
            self._taken_through = batch.end
            self._look_ahead()
        return batch

    def _look_ahead(self) -> None:
        self._ahead = asyncio.create_task(self._pull())

    async def _pull(self) -> EncodedBatch | None:
        assert self._source is not None
        return await anext(self._source, None)
