"""The shared server for a tenant of this folder's own, and a client of it."""

from collections.abc import AsyncIterator

import pytest
from vcci_client import AsyncClient

from tests.server_process import ServerProcess


@pytest.fixture(scope="package")
def server(shared_server: ServerProcess) -> ServerProcess:
    """The server, for a tenant of the folder's own with the starter factors."""
    return shared_server.for_own_tenant()


@pytest.fixture
async def client(server: ServerProcess) -> AsyncIterator[AsyncClient]:
    """A client of the server."""
    async with AsyncClient(server.listening, server.token()) as connected:
        yield connected
