"""A database for the server's tests: one embedded server for the run, a fresh migrated database for each module."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
from vcci_server.storage.embedded import EmbeddedServer
from vcci_server.storage.migrate import migrate
from vcci_server.storage.pool import Pool, open_pool

from tests.server_process import ServerProcess
from tests.uploads import Uploads


@pytest.fixture(scope="session")
def state_folders() -> Iterator[Path]:
    """A folder for state directories, which the user who runs PostgreSQL for root may enter (pytest's are private)."""
    folder = Path(tempfile.mkdtemp(prefix="vcci-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def state_dir(state_folders: Path) -> Path:
    """An empty state directory."""
    folder = state_folders / uuid4().hex
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def server(shared_server: ServerProcess) -> ServerProcess:
    """The service as a process of its own, shared by the tests that only call it; each takes a tenant of its own."""
    return shared_server


@pytest.fixture
async def uploads(server: ServerProcess) -> AsyncIterator[Uploads]:
    """The uploads of a server that tests share."""
    async with server.channel() as channel:
        yield Uploads(channel, server.metadata())


@pytest.fixture
async def name(uploads: Uploads) -> str:
    """The name of an upload of the test's own."""
    return await uploads.create()


@pytest.fixture(scope="session")
def database_url(state_folders: Path) -> Iterator[str]:
    """The server that the tests share: the one of VCCI_TEST_DATABASE_URL, else an embedded one."""
    if given := os.environ.get("VCCI_TEST_DATABASE_URL"):
        yield given
        return
    server = EmbeddedServer(state_folders / "shared")
    yield server.url
    server.stop()


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[str]:
    """The URL of a database of the module's own, migrated."""
    name = f"vcci_test_{uuid4().hex}"
    url = urlsplit(database_url)._replace(path=f"/{name}").geturl()
    asyncio.run(_execute(database_url, f"CREATE DATABASE {name}"))
    asyncio.run(_migrate(url))
    yield url
    asyncio.run(_execute(database_url, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
async def plain(database_url: str) -> AsyncIterator[str]:
    """The URL of a database whose owner is no superuser and may make no roles."""
    name = f"vcci_plain_{uuid4().hex}"
    admin = await asyncpg.connect(database_url)
    await admin.execute(f"CREATE ROLE {name} LOGIN")
    await admin.execute(f"CREATE DATABASE {name} OWNER {name}")
    url = urlsplit(database_url)
    yield url._replace(netloc=f"{name}@{url.netloc.rpartition('@')[2]}", path=f"/{name}").geturl()
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.execute(f"DROP ROLE {name}")
    await admin.close()


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    """A pool of four connections to the module's database."""
    async with open_pool(database, size=4) as pool:
        yield pool


@pytest.fixture
async def tenant_id(pool: Pool) -> int:
    """A tenant of the test's own."""
    made: int = await pool.fetchval("INSERT INTO tenants (name) VALUES ($1) RETURNING tenant_id", uuid4().hex)
    return made


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


async def _migrate(url: str) -> None:
    connection = await asyncpg.connect(url)
    await migrate(connection)
    await connection.close()
