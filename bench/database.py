"""The database that service and peers share: one embedded PostgreSQL, with the settings that the service gives it."""

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import asyncpg
import psutil
import uvloop
from vcci_server.storage.embedded import EmbeddedServer
from vcci_server.storage.pool import Connection

T = TypeVar("T")


@contextmanager
def state_folder() -> Iterator[Path]:
    """A folder for state, which the user who runs PostgreSQL for root may enter."""
    folder = Path(tempfile.mkdtemp(prefix="vcci-bench-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@dataclass(frozen=True, slots=True)
class Database:
    """A database of the server."""

    url: str

    def run(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Do something on a connection, on an event loop of its own."""
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(self._run(work))

    async def _run(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        connection = await asyncpg.connect(self.url)
        try:
            return await work(connection)
        finally:
            await connection.close()

    def create(self, name: str) -> "Database":
        """Make another database on the same server."""
        self.run(lambda connection: connection.execute(f"CREATE DATABASE {name}"))
        return Database(urlsplit(self.url)._replace(path=f"/{name}").geturl())

    def checkpoint(self) -> None:
        """Write everything out, so that whoever is measured next does not pay for it."""
        self.run(lambda connection: connection.execute("CHECKPOINT"))

    def postmaster(self) -> psutil.Process:
        """Return the parent of all the server's processes."""

        async def parent(connection: Connection) -> psutil.Process:
            return psutil.Process(psutil.Process(await connection.fetchval("SELECT pg_backend_pid()")).ppid())

        return self.run(parent)


@contextmanager
def embedded_postgres(folder: Path) -> Iterator[Database]:
    """An embedded PostgreSQL of its own."""
    server = EmbeddedServer(folder)
    try:
        yield Database(server.url)
    finally:
        server.stop()
