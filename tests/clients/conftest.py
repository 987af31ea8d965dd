"""A server for the tests of this folder, started once."""

from collections.abc import AsyncIterator, Iterator

import pytest
from vcci_client import AsyncClient

from tests.server_process import ServerProcess, running_server


@pytest.fixture(scope="package")
def server() -> Iterator[ServerProcess]:
    """A running server with the starter factors."""
    with running_server() as process:
        yield process


@pytest.fixture
async def client(server: ServerProcess) -> AsyncIterator[AsyncClient]:
    """A client of the server."""
    async with AsyncClient(server.listening, server.token()) as connected:
        yield connected
