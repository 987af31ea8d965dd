"""One call of AppendActivities: requests go out while the next answer is awaited."""

import asyncio
from collections.abc import Collection, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import grpc
import grpc.aio
from vcci.v1 import upload_service_pb2 as pb

from vcci_client.connection import Connection
from vcci_client.encode import EncodedBatch
from vcci_client.errors import Unavailable
from vcci_client.supplier_book import SupplierBook

ANSWER_TIMEOUT_S = 60.0  # a server that is silent for so long, with batches unanswered, is taken for dead
STATUS_TIMEOUT_S = 1.0
STATUS_POLL_S = 0.01
T = TypeVar("T")

METHOD = "/vcci.v1.UploadService/AppendActivities"


class AppendCall:
    """The call; at most one answer is being read at a time."""

    def __init__(self, connection: Connection) -> None:
        method: Any = connection.channel.stream_stream(
            METHOD, response_deserializer=pb.AppendActivitiesResponse.FromString
        )
        self._call = method(metadata=connection.metadata)
        self._status: grpc.aio.AioRpcError | None = None  # that the call has ended with
        self._call.add_done_callback(self._note_status)
        self._answers = aiter(self._call)
        self._reading: asyncio.Task[Any] | None = None
        self._book: SupplierBook | None = None  # that the stream has, as far as `_pages`
        self._pages = 0

    async def append(self, batch: EncodedBatch) -> None:
        """Send a batch, and before it the suppliers that it counts and the stream does not have yet."""
        if batch.book is not self._book:  # the first page of a book begins anew
            self._book, self._pages = batch.book, 0
        while batch.book and self._pages < batch.pages:
            await self.write(batch.book.pages[self._pages])
            self._pages += 1
        await self.write(batch.request)

    async def write(self, request: bytes) -> None:
        """Send a request; raise why the call has ended, when it has."""
        try:
            await self._call.write(request)
        except (asyncio.InvalidStateError, grpc.aio.AioRpcError):  # the call has ended: reading says why
            while True:
                await self.answer()

    async def done_writing(self) -> None:
        """Say that nothing more is sent."""
        await self._call.done_writing()

    async def answer(self) -> pb.AppendActivitiesResponse:
        """Return the next answer; raise why the call has ended."""
        answer = await self.answer_or(())
        assert answer is not None
        return answer

    async def answer_or(self, others: Collection[asyncio.Task[Any]]) -> pb.AppendActivitiesResponse | None:
        """Return the next answer, or None as soon as one of the others is done first."""
        if self._reading is None:
            self._reading = asyncio.ensure_future(anext(self._answers, None))
        waited = {self._reading, *others}
        done, _ = await asyncio.wait(waited, timeout=ANSWER_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            raise _unavailable(f"the server was silent for {ANSWER_TIMEOUT_S:.0f} s")
        if self._reading not in done:
            return None
        reading, self._reading = self._reading, None
        try:
            answer = reading.result()
        except grpc.aio.AioRpcError as error:
            raise await self._end(error) from None
        if answer is None:
            raise _unavailable("the server ended the stream")
        return answer  # type: ignore[no-any-return]

    async def close(self) -> None:
        """End the call, whatever is under way."""
        self._call.cancel()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
            if not self._reading.cancelled():
                self._reading.exception()  # seen, if it has one

    def _note_status(self, call: Any) -> None:
        """Note the server's status; a write that comes too late makes it INTERNAL, before or after it is received."""
        if self._status is None or _at_once(call.code()) is not grpc.StatusCode.INTERNAL:
            told = (call.code(), call.initial_metadata(), call.trailing_metadata(), call.details())
            self._status = grpc.aio.AioRpcError(*map(_at_once, told))

    async def _end(self, error: grpc.aio.AioRpcError) -> grpc.aio.AioRpcError:
        """Return why the server has ended the call, which may be received a moment after reading has failed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(STATUS_TIMEOUT_S):
                while self._status is None or self._status.code() is grpc.StatusCode.INTERNAL:  # noqa: ASYNC110
                    await asyncio.sleep(STATUS_POLL_S)  # gRPC has no event for it
        return self._status or error


def _at_once(told: Coroutine[Any, Any, T]) -> T:
    """Return what a call that has ended tells, without a turn of the event loop, in which it might become another."""
    try:
        told.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    raise RuntimeError("the call has not ended")


def _unavailable(message: str) -> Unavailable:
    return Unavailable(message, code=grpc.StatusCode.UNAVAILABLE)
