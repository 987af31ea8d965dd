"""One call of AppendActivities: requests go out while the next answer is awaited."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from typing import Any

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
METHOD = "/vcci.v1.UploadService/AppendActivities"


class AppendCall:
    """The call; at most one answer is being read at a time."""

    def __init__(self, connection: Connection) -> None:
        method: Any = connection.channel.stream_stream(
            METHOD, response_deserializer=pb.AppendActivitiesResponse.FromString
        )
        self._call = method(metadata=connection.metadata)
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
            await self._settle()
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
            self._reading = asyncio.ensure_future(self._call.read())
        waited = {self._reading, *others}
        done, _ = await asyncio.wait(waited, timeout=ANSWER_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            raise _unavailable(f"the server was silent for {ANSWER_TIMEOUT_S:.0f} s")
        if self._reading not in done:
            return None
        reading, self._reading = self._reading, None
        if reading.result() is grpc.aio.EOF:
            raise _unavailable("the server ended the stream")
        return reading.result()  # type: ignore[no-any-return]

    async def close(self) -> None:
        """End the call, whatever is under way."""
        self._call.cancel()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
            if not self._reading.cancelled():
                self._reading.exception()  # seen, if it has one

    async def _settle(self) -> None:
        """Wait for the server's own status: a write that comes too late sets INTERNAL, until that one is received."""
        with suppress(TimeoutError):
            async with asyncio.timeout(STATUS_TIMEOUT_S):
                while await self._call.code() is grpc.StatusCode.INTERNAL:  # noqa: ASYNC110  gRPC has no event for it
                    await asyncio.sleep(STATUS_POLL_S)


def _unavailable(message: str) -> Unavailable:
    return Unavailable(message, code=grpc.StatusCode.UNAVAILABLE)
