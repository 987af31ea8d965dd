"""The shared server, and a client of its default tenant."""

from collections.abc import AsyncIterator

import pytest
from vcci_client import AsyncClient

from tests.server_process import ServerProcess


@pytest.fixture(scope="package")
def server(shared_server: ServerProcess) -> ServerProcess:
    """A running server with the starter factors."""
    return shared_server


@pytest.fixture
async def client(server: ServerProcess) -> AsyncIterator[AsyncClient]:
    """A client of the server."""
    async with AsyncClient(server.listening, server.token()) as connected:
        yield connected
