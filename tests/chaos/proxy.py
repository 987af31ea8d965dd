"""A TCP proxy on loopback whose connections break: cut in the middle of a message, silent, or slow."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from tests.waiting import passing

CHUNK_BYTES = 16_384
FOREVER = 1 << 62


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one connection: after so many bytes, in either direction, it breaks.

    It is cut with half of a chunk passed on; or it falls silent: nothing passes any more, and neither side is told.
    """

    after_bytes: int = FOREVER
    silent: bool = False


LIVES = Fate()


class Proxy:
    """Passes connections on to `target`, each with the next fate; after the last fate they live."""

    def __init__(self, target: str, fates: Iterable[Fate] = ()) -> None:
        self.address = ""
        self.broken = 0  # connections
        self.passed = 0  # bytes, of all connections
        self.delay_s = 0.0  # of each chunk
        self.target = target
        self.fates = iter(fates)  # of the connections that come
        self._connections: dict[asyncio.Task[None], Fate] = {}

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a new connection."""
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections[task] = next(self.fates, LIVES)
        task.add_done_callback(self._connections.pop)

    def silence(self) -> None:
        """Let nothing pass any more on the connections that there are; neither side is told."""
        for task in self._connections:
            self._connections[task] = Fate(0, silent=True)

    async def cut(self) -> None:
        """Cut the connections that there are."""
        tasks = [*self._connections]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = self.target.rpartition(":")
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
        this = asyncio.current_task()
        assert this is not None
        passed = 0

        async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            nonlocal passed
            while chunk := await source.read(CHUNK_BYTES):
                if self.delay_s:
                    await passing(self.delay_s)
                fate = self._connections[this]
                self.broken += passed <= fate.after_bytes < passed + len(chunk)
                passed += len(chunk)
                if passed <= fate.after_bytes:
                    sink.write(chunk)
                    self.passed += len(chunk)
                elif not fate.silent:
                    sink.write(chunk[: len(chunk) // 2])
                    return
                await sink.drain()
            if passed > self._connections[this].after_bytes:
                await asyncio.Event().wait()  # the end of one side does not pass either

        tasks = [asyncio.create_task(carry(*way)) for way in ways]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def proxy_to(target: str, fates: Iterable[Fate] = ()) -> AsyncIterator[Proxy]:
    """Run a proxy to `host:port` until the end of the body."""
    proxy = Proxy(target, fates)
    async with await asyncio.start_server(proxy.accept, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        proxy.address = f"{host}:{port}"
        try:
            yield proxy
        finally:
            server.close()
            await proxy.cut()
