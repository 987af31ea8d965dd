"""A client that speaks HTTP/2 frame by frame, as no well-behaved library does: what abuses a server."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress

import h2.connection
import h2.events
from hpack import Encoder
from hyperframe.frame import Frame, HeadersFrame

Headers = Sequence[tuple[str, str]]
READ_BYTES = 65_536


class Http2:
    """One connection. What the server sends is taken, and acknowledged where that is due, by `read` alone."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.events: list[h2.events.Event] = []
        self.closed = False  # by the server
        self.peer = h2.connection.H2Connection()
        self.encoder = Encoder()  # of calls that `peer` does not know
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes = b"") -> None:
        """Send what `peer` has made, and these bytes, while the server takes them."""
        try:
            self._writer.write(self.peer.data_to_send() + data)
            await self._writer.drain()
            await asyncio.sleep(0)  # a write that need not wait lets nobody else run
        except ConnectionError:
            self.closed = True

    async def send_frames(self, frames: Iterable[Frame]) -> None:
        """Send frames, whatever the protocol allows."""
        await self.send(b"".join(frame.serialize() for frame in frames))

    async def call(self, method: str, metadata: Headers, message: bytes = b"") -> int:
        """Make a call with one message; return the number of its stream."""
        stream = self.peer.get_next_available_stream_id()
        self.peer.send_headers(stream, call_headers(method, metadata))
        self.peer.send_data(stream, b"\0" + len(message).to_bytes(4, "big") + message, end_stream=True)
        await self.send()
        return stream

    def call_frame(self, stream: int, method: str, metadata: Headers, *, flags: Iterable[str]) -> HeadersFrame:
        """Return the frame that begins a call."""
        return HeadersFrame(stream, self.encoder.encode(call_headers(method, metadata)), flags=[*flags])

    async def read(self) -> None:
        """Take what the server has sent; note when it has closed the connection."""
        with suppress(ConnectionError):
            if data := await self._reader.read(READ_BYTES):
                self.events += self.peer.receive_data(data)
                await self.send()
                return
        self.closed = True

    async def read_to_end(self) -> None:
        """Take whatever comes until the server closes the connection."""
        while not self.closed:
            await self.read()

    async def has_answer(self) -> bool:
        """Whether the server has sent anything more, or has closed the connection."""
        return bool(await self._reader.read(READ_BYTES)) or self._reader.at_eof()

    async def end(self) -> None:
        """Pass over whatever comes until the server closes the connection."""
        with suppress(ConnectionError):
            while await self._reader.read(READ_BYTES):
                pass
        self.closed = True

    def abort(self) -> None:
        """Close the connection."""
        self._writer.transport.abort()


def call_headers(method: str, metadata: Headers) -> list[tuple[str, str]]:
    """The headers of a gRPC call."""
    return [
        *((":method", "POST"), (":scheme", "http"), (":path", method), (":authority", "test")),
        *(("content-type", "application/grpc"), ("te", "trailers")),
        *metadata,
    ]


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Http2]:
    """A connection that has sent nothing yet, until the end of the body."""
    host, _, port = address.rpartition(":")
    peer = Http2(*await asyncio.open_connection(host, int(port)))
    try:
        yield peer
    finally:
        peer.abort()


@asynccontextmanager
async def greeted(address: str, *, reads: bool = True) -> AsyncIterator[Http2]:
    """A connection that has sent its preface, and reads what comes or does not."""
    async with connected(address) as peer:
        peer.peer.initiate_connection()
        await peer.send()
        reading = asyncio.create_task(peer.read_to_end()) if reads else None
        try:
            yield peer
        finally:
            if reading is not None:
                reading.cancel()
                await asyncio.wait([reading])
