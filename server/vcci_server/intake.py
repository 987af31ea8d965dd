"""One open stream of an upload: batches are prepared side by side and committed in order.

    reader ──▶ batches being prepared, at most `credits` ──▶ committer ──▶ transactions, at most two ──▶ answers

The reader takes a message only when there is a credit for it and room in memory, so a fast client waits and the
server does not grow. The committer takes every batch that is ready: many small batches share one transaction. The next
transaction copies its rows while the one before is still being committed.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from vcci.v1 import upload_service_pb2 as pb
from vcci_engine.errors import InvalidField, InvalidInput, OffsetMismatch

from vcci_server.batches import row_count
from vcci_server.preparation import Preparation, Prepared, refusal
from vcci_server.storage.ingest import PreparedBatch
from vcci_server.supplier_messages import KnownSuppliers

GROUP_ROWS = 200_000  # rows of one transaction; a longer one gains nothing and delays its acknowledgements

TRANSACTIONS = 2  # under way at once
MAX_ROWS = 1 << 32  # of an upload: rows are numbered in 32 bits

Answer = pb.BatchAck | pb.BatchRefusal
Send = Callable[[pb.AppendActivitiesResponse], Awaitable[None]]


class Writer(Protocol):
    """The ledger of one upload, held at one epoch; it raises when another writer has taken over."""

    committed_through: int

    async def commit(self, batches: Sequence[PreparedBatch], after: asyncio.Task[object] | None) -> None:
        """Store batches that follow each other, in one transaction, which ends after the one before, `after`."""

    async def check(self) -> None:
        """Raise unless this writer still holds the upload."""

    def count_duplicate(self, rows: int) -> None:
        """Count rows that came again."""

    def count_refusal(self, refusal: pb.BatchRefusal) -> None:
        """Count a batch that is not taken."""


class Room(Protocol):
    """What batches wait for: memory that all streams share, and the tenant's quota."""

    async def take(self, size: int, rows: int) -> None:
        """Wait until a batch of so many bytes and rows may be taken in."""

    def give_back(self, size: int) -> None:
        """Free what was taken."""


@dataclass(slots=True)
class _Batch:
    """A batch in the order of its arrival.

    It is being prepared when it was the next one as it came, and none before it was refused since.
    """

    offset: int
    rows: int = 0
    size: int = 0  # bytes of room taken
    prepared: asyncio.Task[Prepared | InvalidInput] | None = None
    error: InvalidInput | None = None  # wrong wherever it stands

    @property
    def ready(self) -> bool:
        return self.prepared is None or self.prepared.done()


@dataclass(frozen=True, slots=True)
class _Settlement:
    """Batches of one transaction that is under way, and their answers once it has ended."""

    batches: Sequence[_Batch]
    answers: Sequence[Answer]
    stored: asyncio.Task[None]


class Intake:
    """The batches of one stream, from the message after `open` to the end."""

    def __init__(self, preparation: Preparation, writer: Writer, room: Room, send: Send, *, credits: int) -> None:
        self._preparation = preparation
        self._writer = writer
        self._room = room
        self._send = send
        self._credits = credits
        self._slots = asyncio.Semaphore(credits)
        self._suppliers: KnownSuppliers | None = None  # of the stream, for the batches that come next
        self._waiting: deque[_Batch] = deque()
        self._under_way: asyncio.Queue[_Settlement | None] = asyncio.Queue()  # None: nothing comes any more
        self._transactions = asyncio.Semaphore(TRANSACTIONS)
        self._taken = 0  # bytes of room
        self._arrived = asyncio.Event()
        self._ended = False
        self._received = writer.committed_through  # the offset that the reader expects
        self._next = writer.committed_through  # the offset that the committer expects
        self._reader: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()  # gRPC takes one message of a call at a time
        self._done = asyncio.Event()

    async def run(self, requests: AsyncIterator[pb.AppendActivitiesRequest]) -> None:
        """Take the stream's batches until it ends, or until `drain`; every batch taken is answered."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._reader = tasks.create_task(self._read(requests, tasks))
                self._reader.add_done_callback(self._end)
                tasks.create_task(self._commit(tasks))
                tasks.create_task(self._answer())
        finally:
            self._room.give_back(self._taken)
            self._done.set()

    async def drain(self, notice: pb.Drain) -> None:
        """Tell the writer, take no further batch, and wait until those taken are committed and acknowledged."""
        if self._reader is not None:
            self._reader.cancel()
            await self._say(pb.AppendActivitiesResponse(drain=notice))
            await self._done.wait()

    async def _read(self, requests: AsyncIterator[pb.AppendActivitiesRequest], tasks: asyncio.TaskGroup) -> None:
        await self._slots.acquire()
        while (request := await self._next_request(requests)) is not None:
            if isinstance(request, InvalidInput):
                self._queue(_Batch(self._received, error=request))
            elif request.HasField("append"):
                await self._take(request.append, tasks)
            elif request.HasField("suppliers"):
                self._suppliers = await self._preparation.add_suppliers(self._suppliers, request.suppliers)
                continue  # it is not answered, so it takes no slot
            else:
                raise InvalidField("open", "a second one", "`append` after the first message", reason="UPLOAD_NOT_OPEN")
            await self._slots.acquire()

    async def _next_request(
        self, requests: AsyncIterator[pb.AppendActivitiesRequest]
    ) -> pb.AppendActivitiesRequest | InvalidInput | None:
        try:
            return await anext(requests, None)
        except InvalidInput as error:  # this message cannot be read; the next one may
            return error

    def _end(self, reader: asyncio.Task[None]) -> None:
        self._ended = True
        self._arrived.set()

    async def _take(self, append: pb.AppendBatch, tasks: asyncio.TaskGroup) -> None:
        batch = _Batch(append.offset, row_count(append), append.ByteSize())
        await self._room.take(batch.size, batch.rows)
        self._taken += batch.size
        if not 0 <= batch.offset <= MAX_ROWS - batch.rows:
            expected = f"0 to {MAX_ROWS - batch.rows}, as an upload has at most {MAX_ROWS} rows"
            batch.error = InvalidField("offset", batch.offset, expected, reason="OUT_OF_RANGE")
        elif batch.rows and batch.offset == self._received:
            batch.prepared = tasks.create_task(self._preparation.prepare(append, self._suppliers))
            self._received += batch.rows
        self._queue(batch)

    def _queue(self, batch: _Batch) -> None:
        self._waiting.append(batch)
        self._arrived.set()

    async def _commit(self, tasks: asyncio.TaskGroup) -> None:
        """Begin one transaction after the other."""
        before = None
        while self._waiting or not self._ended:
            if self._waiting:
                await self._transactions.acquire()
                before = self._settle(await self._ready_batches(), before, tasks)
            else:
                self._arrived.clear()
                await self._arrived.wait()
        self._under_way.put_nowait(None)

    async def _answer(self) -> None:
        """Answer the batches of each transaction when it has ended."""
        while settlement := await self._under_way.get():
            await settlement.stored
            self._transactions.release()
            for batch, answer in zip(settlement.batches, settlement.answers, strict=True):
                self._taken -= batch.size
                self._room.give_back(batch.size)
                await self._say(self._response(answer))
                self._slots.release()

    async def _ready_batches(self) -> list[_Batch]:
        """Wait for the first batch; return it and those behind it that are ready too, up to one transaction."""
        first = self._waiting[0]
        if first.prepared is not None:
            await asyncio.wait([first.prepared])
        count, rows = 0, 0
        for batch in self._waiting:
            rows += batch.rows
            if not batch.ready or (count and rows > GROUP_ROWS):
                break
            count += 1
        return [self._waiting[number] for number in range(count)]

    def _settle(
        self, batches: list[_Batch], before: asyncio.Task[None] | None, tasks: asyncio.TaskGroup
    ) -> asyncio.Task[None]:
        """Begin to commit what can be, in one transaction, which ends after the one before."""
        group: list[PreparedBatch] = []
        answers = [self._judge(batch, group) for batch in batches]
        for _ in batches:
            self._waiting.popleft()
        stored = tasks.create_task(self._store(group, before))
        self._under_way.put_nowait(_Settlement(batches, answers, stored))
        return stored

    async def _store(self, group: Sequence[PreparedBatch], before: asyncio.Task[None] | None) -> None:
        if group:
            await self._writer.commit(group, before)
        else:
            if before is not None:
                await asyncio.wait([before])
            await self._writer.check()

    def _judge(self, batch: _Batch, group: list[PreparedBatch]) -> Answer:
        """Add the batch to the group when it is the next one and right; return its answer."""
        if batch.error is not None:
            return refusal(batch.offset, self._next, batch.error)
        if batch.rows == 0:
            return pb.BatchAck(offset=batch.offset)
        if batch.offset + batch.rows <= self._next:
            self._writer.count_duplicate(batch.rows)
            return pb.BatchAck(offset=batch.offset, duplicate=True)
        if batch.prepared is None:
            return refusal(batch.offset, self._next, OffsetMismatch(batch.offset, self._next))
        outcome = batch.prepared.result()
        if isinstance(outcome, InvalidInput):
            self._turn_back(batch)
            return refusal(batch.offset, self._next, outcome)
        group.append(outcome.batch)
        self._next += batch.rows
        return outcome.ack()

    def _turn_back(self, refused: _Batch) -> None:
        """Expect a refused batch again; what was taken behind it is ahead now, and is refused in its turn."""
        self._received = refused.offset
        for batch in self._waiting:
            if batch.prepared is not None and batch.offset > refused.offset:
                batch.prepared.cancel()
                batch.prepared = None

    async def _say(self, response: pb.AppendActivitiesResponse) -> None:
        async with self._writing:
            await self._send(response)

    def _response(self, answer: Answer) -> pb.AppendActivitiesResponse:
        if isinstance(answer, pb.BatchRefusal):
            self._writer.count_refusal(answer)
            return pb.AppendActivitiesResponse(refusal=answer)
        answer.received_through = self._received
        answer.committed_through = self._writer.committed_through
        answer.credits = self._credits
        return pb.AppendActivitiesResponse(ack=answer)
