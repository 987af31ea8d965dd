"""A TCP proxy on loopback whose connections break: in the middle of a message, or by falling silent."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

CHUNK_BYTES = 16_384
FOREVER = 1 << 62


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one connection: after so many bytes, in either direction, it breaks.

    It is cut with half of a chunk passed on; or it falls silent: nothing passes any more, and neither side is told.
    """

    after_bytes: int = FOREVER
    silent: bool = False


class Proxy:
    """Passes connections on to `target`, each with the next fate; after the last fate they live."""

    def __init__(self, target: str, fates: Iterator[Fate]) -> None:
        self.address = ""
        self.broken = 0  # connections
        self.passed = 0  # bytes, of all connections
        self._target = target
        self._fates = fates
        self._connections: set[asyncio.Task[None]] = set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a new connection."""
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def close(self) -> None:
        """Cut every connection."""
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = self._target.rpartition(":")
        try:
            with suppress(OSError):
                there_reader, there_writer = await asyncio.open_connection(host, int(port))
                try:
                    await self._carry((reader, there_writer), (there_reader, writer))
                finally:
                    there_writer.transport.abort()
        finally:
            writer.transport.abort()

    async def _carry(self, *ways: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        """Pass bytes in both ways until one of them ends."""
        fate = next(self._fates, Fate())
        passed = 0

        async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            nonlocal passed
            while chunk := await source.read(CHUNK_BYTES):
                self.broken += passed <= fate.after_bytes < passed + len(chunk)
                passed += len(chunk)
                if passed <= fate.after_bytes:
                    sink.write(chunk)
                    self.passed += len(chunk)
                elif not fate.silent:
                    sink.write(chunk[: len(chunk) // 2])
                    return
                await sink.drain()
            if passed > fate.after_bytes:
                await asyncio.Event().wait()  # the end of one side does not pass either

        tasks = [asyncio.create_task(carry(*way)) for way in ways]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def proxy_to(target: str, fates: Iterator[Fate]) -> AsyncIterator[Proxy]:
    """Run a proxy to `host:port` until the end of the body."""
    proxy = Proxy(target, fates)
    async with await asyncio.start_server(proxy.accept, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        proxy.address = f"{host}:{port}"
        try:
            yield proxy
        finally:
            server.close()
            await proxy.close()
