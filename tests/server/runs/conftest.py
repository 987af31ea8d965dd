"""A client of the shared server, of a tenant of the test's own."""

from collections.abc import AsyncIterator

import pytest
from vcci_client import AsyncClient

from tests.server_process import ServerProcess


@pytest.fixture
async def client(server: ServerProcess) -> AsyncIterator[AsyncClient]:
    """A client of a tenant of the test's own."""
    async with AsyncClient(server.listening, server.token(await server.new_tenant())) as client:
        yield client
