"""Two servers of one database, each restarted in its turn under load: a client that may retry notices nothing."""

import asyncio
import json
from collections.abc import Iterator
from uuid import uuid4

import numpy as np
import pytest
from google.protobuf.descriptor_pool import Default
from vcci_client import AsyncClient
from vcci_client.activities import Activities, Dictionary
from vcci_client.connection import SERVICE_CONFIG
from vcci_client.upload import UploadOptions, UploadSummary

from tests.postgres_process import running_postgres
from tests.server_process import ServerProcess, running_server
from tests.uploads import DAY
from tests.waiting import until

BATCH_ROWS = 500
CALLERS = 4
SECRET = "a secret that both servers have, of 32 bytes and more"


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[ServerProcess, ServerProcess]]:
    with running_postgres() as postgres:
        env = {"VCCI_DATABASE_URL": postgres.url, "VCCI_MIGRATE": "yes", "VCCI_TOKEN_SECRET": SECRET}
        with running_server(env=env) as one, running_server(env=env) as other:
            for server in (one, other):
                (server.state_dir / "token_secret").write_text(SECRET)
                (server.state_dir / "token_secret").chmod(0o600)
            yield one, other


class Load:
    """An upload, and callers who call all the time, until they are told to stop."""

    def __init__(self, client: AsyncClient) -> None:
        self.calls = 0
        self.batches = 0
        self.stopping = False
        self._client = client

    async def call(self) -> None:
        """Call again and again; no call may fail."""
        while not self.stopping:
            [supplier async for supplier in self._client.list_suppliers(page_size=1)]
            self.calls += 1

    async def upload(self) -> UploadSummary:
        """Upload until told to stop."""
        return await self._client.upload(self._rows(), UploadOptions(request_id=uuid4().hex, batch_rows=BATCH_ROWS))

    def _rows(self) -> Iterator[Activities]:
        zeros = np.zeros(BATCH_ROWS, np.uint32)
        while not self.stopping:
            self.batches += 1
            yield Activities(
                supplier=Dictionary(["S1"], zeros),
                category=zeros + np.uint32(1),
                period=np.full(BATCH_ROWS, DAY, np.int32),
                quantity=np.ones(BATCH_ROWS),
                unit=Dictionary(["USD"], zeros),
                factor=Dictionary(["naics:331110"], zeros),
            )


async def test_a_rolling_restart_under_load_loses_no_call_and_no_row(
    servers: tuple[ServerProcess, ServerProcess],
) -> None:
    address = f"http://ipv4:{','.join(server.listening for server in servers)}"
    async with AsyncClient(address, servers[0].token()) as client, asyncio.TaskGroup() as tasks:
        load = Load(client)
        calling = [tasks.create_task(load.call()) for _ in range(CALLERS)]
        uploading = tasks.create_task(load.upload())
        await until(lambda: load.calls and load.batches > 2)
        for server in servers:
            before = load.calls
            assert await asyncio.to_thread(server.terminate) == 0
            await until(lambda before=before: load.calls > before + CALLERS)  # type: ignore[misc]
            await asyncio.to_thread(server.start)
        load.stopping = True
        await asyncio.wait(calling)
        summary = await uploading
    assert summary.rows == load.batches * BATCH_ROWS
    assert summary.rejected == 0


def test_the_policy_that_is_published_names_methods_that_exist() -> None:
    (every, streams) = json.loads(SERVICE_CONFIG)["methodConfig"]
    assert every["name"] == [{}]
    assert "retryPolicy" not in streams
    for name in streams["name"]:
        method = Default().FindMethodByName(f"{name['service']}.{name['method']}")
        assert method.client_streaming
        assert method.server_streaming
