"""What ends an upload in full flow is told by the client library as what it is."""

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import numpy as np
import pytest
from vcci_client import AsyncClient
from vcci_client.activities import Activities, Dictionary
from vcci_client.appender import Progress
from vcci_client.errors import ServerError, WriterFenced, WrongState
from vcci_client.upload import UploadOptions

from tests.server_process import ServerProcess
from tests.uploads import DAY, Uploads

BATCH_ROWS, BATCHES = 4_000, 250
ATTEMPTS = 3


@pytest.fixture(scope="module")
def server(shared_server: ServerProcess) -> ServerProcess:
    return shared_server.for_own_tenant()


def steel() -> Iterator[Activities]:
    """More rows than are sent before the upload is ended."""
    zeros = np.zeros(BATCH_ROWS, np.uint32)
    for _ in range(BATCHES):
        yield Activities(
            supplier=Dictionary(["S1"], zeros),
            category=zeros + np.uint32(1),
            period=np.full(BATCH_ROWS, DAY, np.int32),
            quantity=np.ones(BATCH_ROWS),
            unit=Dictionary(["USD"], zeros),
            factor=Dictionary(["naics:331110"], zeros),
        )


async def end_by(client: AsyncClient, uploads: Uploads, end: str) -> ServerError:
    """Upload, end the upload in full flow, and return what the client library tells of it."""
    options = UploadOptions(request_id=uuid4().hex, batch_rows=BATCH_ROWS)
    name = (await client.create_upload(options)).name
    flowing = asyncio.Event()

    def hear(progress: Progress) -> None:
        if progress.rows_committed > BATCH_ROWS:
            flowing.set()

    uploading = asyncio.create_task(client.upload(steel(), options, on_progress=hear))
    await asyncio.wait([uploading, asyncio.create_task(flowing.wait())], return_when=asyncio.FIRST_COMPLETED)
    if end == "open":
        async with uploads.writing(name):
            return await failed(uploading)
    await getattr(uploads, end)(name)
    return await failed(uploading)


async def failed(uploading: "asyncio.Task[object]") -> ServerError:
    with pytest.raises(ServerError) as raised:
        await uploading
    return raised.value


@pytest.mark.parametrize(
    ("end", "kind", "reason"),
    [
        ("finalize", WrongState, "UPLOAD_FINALIZED"),
        ("abandon", WrongState, "UPLOAD_ABANDONED"),
        ("open", WriterFenced, "WRITER_FENCED"),
    ],
)
async def test_what_ended_an_upload_is_told(
    server: ServerProcess, end: str, kind: type[ServerError], reason: str
) -> None:
    async with AsyncClient(server.listening, server.token()) as client, server.channel() as channel:
        uploads = Uploads(channel, server.metadata())
        told = [await end_by(client, uploads, end) for _ in range(ATTEMPTS)]
    assert {(type(error), error.reason) for error in told} == {(kind, reason)}
