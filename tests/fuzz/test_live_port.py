"""Bytes of all kinds to the port of a running server: it goes on, and tells nobody of a fault of its own."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import suppress

import grpc.aio
import pytest
from vcci.v1 import upload_service_pb2 as pb

from tests.fuzz.decoders import seeds
from tests.fuzz.mutation import INTERESTING, edited
from tests.http2 import call_headers, connected, greeted
from tests.server_process import ServerProcess, running_server
from tests.uploads import Uploads, batch

CONNECTIONS, MESSAGES = 150, 300
CREATE = "/vcci.v1.UploadService/CreateUpload"


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with running_server() as process:
        yield process


def changed(seed: bytes, rng: random.Random) -> bytes:
    """Return a seed with some edits."""
    kinds = ("put", "insert", "cut", "copy")
    return edited(
        seed,
        [
            (rng.random(), rng.randrange(16), rng.choice(INTERESTING), rng.choice(kinds))
            for _ in range(rng.randint(1, 5))
        ],
    )


async def works(server: ServerProcess) -> None:
    """Fail unless an upload goes well."""
    async with server.channel() as channel:
        uploads = Uploads(channel, server.metadata())
        async with uploads.writing(await uploads.create()) as writer:
            assert (await writer.ask(batch(0, 3))).committed_through == 3
    assert '"level": "error"' not in server.log.read_text()


async def test_bytes_that_are_nearly_http2_do_no_harm(server: ServerProcess) -> None:
    rng = random.Random(20_261_124)
    async with greeted(server.listening, reads=False) as right:
        right.peer.send_headers(1, call_headers(CREATE, server.metadata()))
        right.peer.send_data(1, b"\0\0\0\0\0", end_stream=True)
        preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0" + right.peer.data_to_send()
    for _ in range(CONNECTIONS):
        async with connected(server.listening) as peer:
            await peer.send(rng.choice((rng.randbytes(300), changed(preface, rng))))
    await works(server)


async def test_messages_that_are_nearly_right_do_no_harm(server: ServerProcess) -> None:
    rng = random.Random(20_261_125)
    async with server.channel() as channel:
        uploads = Uploads(channel, server.metadata())
        name = await uploads.create()
        for number in range(MESSAGES):
            writer = uploads.stream()
            opening = pb.AppendActivitiesRequest(open=pb.OpenUpload(upload=name))
            with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):  # it was refused already
                await writer.send(opening if number % 3 else changed(opening.SerializeToString(), rng))
                await writer.send(changed(rng.choice(seeds("append")), rng))
                await writer.end()
    await works(server)
