"""Clients that abuse HTTP/2: their connection is ended or held back, and the calls of others go on without an error."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence

import h2.errors
import h2.events
import pytest
from h2.settings import SettingCodes
from hyperframe.frame import ContinuationFrame, Frame, PingFrame, RstStreamFrame, SettingsFrame
from vcci.v1 import emission_service_pb2, supplier_service_pb2
from vcci_client import AsyncClient

from tests.http2 import Headers, Http2, connected, greeted
from tests.memory import Memory
from tests.server_process import ServerProcess
from tests.uploads import ANSWER_S, Uploads, batch
from tests.waiting import until

METHOD = "/vcci.v1.SupplierService/ListSuppliers"
STREAM = "/vcci.v1.EmissionService/StreamEmissions"
AT_ONCE = 100  # frames of one write
RESETS, RESETTERS = 30_000, 4
PINGS = 10
SETTINGS = 100_000
SLOW_READS = 20
BOMBS = 20  # of 47 MB
GROWTH = 150 << 20  # bytes of the server's memory


@pytest.fixture
async def others(server: ServerProcess) -> AsyncIterator[list[int]]:
    """Someone who calls all the time, as soon as the last call is answered: none may fail, and they must go on.

    They come again as clients do when they are told to: calls that are reset count as waiting until gRPC drops them.
    """
    answered = [0]

    async def call() -> None:
        async with AsyncClient(server.listening, server.token(), timeout_s=ANSWER_S) as client:
            request = supplier_service_pb2.ListSuppliersRequest(page_size=1)
            while True:
                await client.connection.call(client.connection.suppliers.ListSuppliers, request)
                answered[0] += 1

    calling = asyncio.create_task(call())
    await until(lambda: answered[0])
    yield answered
    before = answered[0]
    await until(lambda: calling.done() or answered[0] > before + 10)
    calling.cancel()
    await asyncio.wait([calling])
    assert calling.cancelled() or calling.exception() is None, calling.exception()


@pytest.fixture
def memory(server: ServerProcess) -> Iterator[Memory]:
    """The server's memory, which must not have grown much at the end."""
    memory = Memory(server.pid)
    yield memory
    memory.sample()
    assert memory.growth < GROWTH


def resets(peer: Http2, first: int, metadata: Headers) -> Iterator[Frame]:
    """Calls that are taken back as they are made."""
    for stream in range(first, first + 2 * AT_ONCE, 2):
        yield peer.call_frame(stream, METHOD, metadata, flags=["END_HEADERS"])
        yield RstStreamFrame(stream, error_code=h2.errors.ErrorCodes.CANCEL)


@pytest.mark.usefixtures("others", "memory")
@pytest.mark.parametrize("reads", [True, False], ids=["read", "unread"])
async def test_calls_that_are_reset_at_once_do_no_harm(server: ServerProcess, reads: bool) -> None:
    async def attack() -> None:
        async with greeted(server.listening, reads=reads) as peer:
            for first in range(1, 2 * RESETS, 2 * AT_ONCE):
                await peer.send_frames(resets(peer, first, server.metadata()))
                await asyncio.sleep(0)

    await asyncio.gather(*(attack() for _ in range(RESETTERS)))


@pytest.mark.usefixtures("others", "memory")
async def test_a_flood_of_pings_ends_the_connection(server: ServerProcess) -> None:
    async with greeted(server.listening) as peer:
        await peer.send_frames(PingFrame(0, b"12345678") for _ in range(PINGS))
        await until(lambda: peer.closed)
        assert ended_by(peer) == [h2.errors.ErrorCodes.ENHANCE_YOUR_CALM]


def settings(count: int) -> Iterator[list[Frame]]:
    """Settings, some at a time."""
    for number in range(count // AT_ONCE):
        frame = SettingsFrame(0, {SettingCodes.INITIAL_WINDOW_SIZE: 65_535 - number % 2})
        yield [frame] * AT_ONCE


@pytest.mark.usefixtures("others", "memory")
async def test_a_flood_of_settings_that_is_acknowledged_does_no_harm(server: ServerProcess) -> None:
    async with greeted(server.listening) as peer:
        for frames in settings(SETTINGS):
            await peer.send_frames(frames)
            await asyncio.sleep(0)


@pytest.mark.usefixtures("memory")
async def test_a_flood_of_settings_whose_acknowledgements_are_not_read_is_not_read_either(
    server: ServerProcess, others: list[int]
) -> None:
    sent = 0

    async def attack(peer: Http2) -> None:
        nonlocal sent
        while True:
            for frames in settings(SETTINGS):
                await peer.send_frames(frames)
                sent += AT_ONCE

    async with greeted(server.listening, reads=False) as peer:
        attacking = asyncio.create_task(attack(peer))
        seen: list[tuple[int, int]] = []
        await until(lambda: stands(seen, sent, others[0]))
        attacking.cancel()


def stands(seen: list[tuple[int, int]], sent: int, answered: int) -> bool:
    """Whether an attacker could send nothing while others had a hundred answers."""
    if not seen or seen[-1][0] != sent:
        seen.append((sent, answered))
    return answered > seen[-1][1] + 100


@pytest.mark.usefixtures("others", "memory")
async def test_headers_without_an_end_end_the_connection(server: ServerProcess) -> None:
    async with greeted(server.listening) as peer:
        await peer.send_frames([peer.call_frame(1, METHOD, server.metadata(), flags=[])])
        number = 0
        while not peer.closed:
            number += 1
            headers = peer.encoder.encode([(f"x-{number}", "y" * 8_000)])
            await peer.send_frames([ContinuationFrame(1, headers)])


@pytest.mark.usefixtures("others", "memory")
async def test_headers_that_unpack_to_far_more_than_was_sent_do_no_harm(server: ServerProcess) -> None:
    large = ("x-large", "y" * 3_900)  # sent once, then a byte each: HPACK's table has it
    async with greeted(server.listening, reads=False) as peer:
        for _ in range(BOMBS):
            await peer.call(METHOD, [large] * 12_000)
        await until(peer.has_answer)


@pytest.mark.usefixtures("memory")
async def test_reads_that_go_on_byte_by_byte_hold_back_nobody_else(server: ServerProcess, others: list[int]) -> None:
    async with server.channel() as channel:
        uploads = Uploads(channel, server.metadata())
        async with uploads.writing(await uploads.create()) as writer:
            await writer.ask(batch(0, 20_000))
    request = emission_service_pb2.StreamEmissionsRequest().SerializeToString()
    async with greeted(server.listening) as peer:
        peer.peer.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 1})
        for _ in range(SLOW_READS):
            await peer.call(STREAM, server.metadata(), request)
        before = others[0]
        await until(lambda: others[0] > before + 100)
        assert not peer.closed
        assert sum(len(event.data or b"") for event in peer.events if isinstance(event, h2.events.DataReceived)) < 1_000


@pytest.mark.usefixtures("others", "memory")
@pytest.mark.parametrize("first", [b"", b"GET / HTTP/1.1\r\n\r\n", bytes(1_000)])
async def test_a_connection_that_does_not_speak_http2_is_closed(server: ServerProcess, first: bytes) -> None:
    async with connected(server.listening) as peer:
        await peer.send(first)
        async with asyncio.timeout(ANSWER_S):
            await peer.end()


def ended_by(peer: Http2) -> Sequence[int | None]:
    """The codes with which the server has ended the connection."""
    return [event.error_code for event in peer.events if isinstance(event, h2.events.ConnectionTerminated)]
