"""Clients that do not read what they are sent: the server waits, and does not grow."""

import asyncio
from collections.abc import Callable, Iterator

import grpc.aio
import pytest
from vcci.v1 import emission_service_pb2
from vcci.v1 import upload_service_pb2 as pb
from vcci_client import AsyncClient

from tests.memory import Memory
from tests.server_process import ServerProcess, running_server
from tests.uploads import Uploads, Writer, columns
from tests.waiting import POLL_S, until

ROWS, WRONG = 5_000, 200  # of a batch; so many row errors make each answer 20 KB
BATCHES = 400
READERS = 4
GROWTH_OF_WRITER = 200 << 20  # 400 MB are sent; what came before a pause of five seconds is folded, which takes 100
GROWTH_OF_READER = 48 << 20  # of 150 MB each: a page of 100,000 rows, and the message made of it
QUIET_POLLS = int(1.0 / POLL_S)
SMALL_WINDOW = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_536)]  # answers that wait on the line

MESSAGE = columns(
    ROWS,
    quantity=[-1.0] * WRONG + [1.0] * (ROWS - WRONG),
    references=[f"{row:0128}" for row in range(ROWS)],
)


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with running_server(args=["--drain-s", "1"]) as process:
        yield process


def batch(number: int) -> pb.AppendBatch:
    return pb.AppendBatch(offset=number * ROWS, columns=MESSAGE)


async def quiet(watched: Callable[[], int]) -> None:
    """Wait until a number has not changed for a while."""
    seen: list[int] = []

    def same() -> bool:
        seen.append(watched())
        return len(seen) > QUIET_POLLS and len(set(seen[-QUIET_POLLS:])) == 1

    await until(same, 120)


async def counted(server: ServerProcess) -> None:
    """Wait until what is stored is folded, which takes memory of its own."""
    async with AsyncClient(server.listening, server.token()) as client:

        async def is_counted() -> bool:
            return (await anext(client.list_supplier_pages(page_size=1))).rows_not_counted == 0

        await until(is_counted, 120)


async def send_all(writer: Writer, sent: list[int]) -> None:
    """Send the batches behind those sent, without a look at the answers."""
    for number in range(len(sent), BATCHES):
        await writer.send(batch(number))
        sent.append(number)


async def test_a_writer_that_reads_no_answer_is_not_read_either(server: ServerProcess) -> None:
    async with grpc.aio.insecure_channel(server.listening, SMALL_WINDOW) as channel:
        uploads = Uploads(channel, server.metadata())
        name = await uploads.create()
        async with uploads.writing(name) as writer:
            await writer.ask(batch(0), batch(1))
            memory, sent = Memory(server.pid), [0, 1]
            sending = asyncio.create_task(send_all(writer, sent))
            await quiet(lambda: memory.sample() and len(sent))
            assert len(sent) < BATCHES / 4, "the server has stopped reading"
            acks = [await writer.answer() for _ in range(2, BATCHES)]
            await sending
            memory.sample()
        assert [ack.offset for ack in acks if isinstance(ack, pb.BatchAck)] == [n * ROWS for n in range(2, BATCHES)]
        assert (await uploads.get(name)).accepted_rows == BATCHES * (ROWS - WRONG)
    assert memory.growth < GROWTH_OF_WRITER


async def test_readers_that_stop_reading_cost_a_page_each(server: ServerProcess) -> None:
    async with server.channel() as channel:
        uploads = Uploads(channel, server.metadata())
        request = emission_service_pb2.StreamEmissionsRequest()
        warm = uploads.emissions.StreamEmissions(request, metadata=uploads.metadata)
        rows = sum([response.emissions.rows async for response in warm])
        await counted(server)
        memory = Memory(server.pid)
        calls = [uploads.emissions.StreamEmissions(request, metadata=uploads.metadata) for _ in range(READERS)]
        streams = [aiter(call) for call in calls]
        first = [(await anext(stream)).emissions.rows for stream in streams]
        await quiet(lambda: memory.sample() >> 22)
        for call in calls[1:]:
            call.cancel()
        assert first[0] + sum([response.emissions.rows async for response in streams[0]]) == rows
    assert rows >= BATCHES * (ROWS - WRONG)
    assert memory.growth < READERS * GROWTH_OF_READER


async def test_clients_that_read_nothing_do_not_keep_a_server_from_stopping(server: ServerProcess) -> None:
    async with grpc.aio.insecure_channel(server.listening, SMALL_WINDOW) as channel:
        uploads = Uploads(channel, server.metadata())
        async with uploads.writing(await uploads.create()) as writer:
            sent: list[int] = []
            sending = asyncio.create_task(send_all(writer, sent))
            await quiet(lambda: len(sent))
            assert await asyncio.to_thread(server.terminate) == 0
            sending.cancel()
            await asyncio.wait([sending])
    await asyncio.to_thread(server.start)
