"""Refusing calls while more come than can be answered in time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.empty_pb2 import Empty
from google.rpc import error_details_pb2, status_pb2
from vcci_server.auth import Authenticator, DevelopmentTokens, make_token
from vcci_server.boundary import Boundary
from vcci_server.metrics import Metrics
from vcci_server.serving import grpc_server
from vcci_server.settings import Settings
from vcci_server.shedding import LET_WAIT, LOOK_EVERY_S, MOST_REFUSED, Line, Shedding, calls_held, newest_server
from vcci_server.tasks import running
from vcci_server.validation import CallLimits

from tests.waiting import until

SECRET = "a secret of the tests, long enough"
MAX_WAIT_S = 0.1
CALCULATE, EXPLAIN = "/vcci.v1.CalculationService/Calculate", "/vcci.v1.CalculationService/Explain"
GET_SUPPLIER, GET_UPLOAD = "/vcci.v1.SupplierService/GetSupplier", "/vcci.v1.UploadService/GetUpload"
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED


@dataclass(slots=True)
class Queue:
    """A line into which calls come, of which so many are worked off in a look."""

    line: Line = field(default_factory=Line)
    refused: int = 0

    def look(self, come: int, worked_off: int) -> None:
        for _ in range(come):
            if self.line.refused_share and self.line.refuses():
                self.refused += 1
            else:
                self.line.length += 1
        self.line.passed = min(worked_off, self.line.length)
        self.line.length -= self.line.passed
        self.line.look(LOOK_EVERY_S, MAX_WAIT_S)

    def looks(self, count: int, come: int, worked_off: int) -> None:
        for _ in range(count):
            self.look(come, worked_off)


def test_nothing_is_refused_of_what_is_worked_off() -> None:
    queue = Queue()
    queue.looks(500, come=20, worked_off=20)
    assert (queue.refused, queue.line.length) == (0, 0)


def test_a_few_calls_may_wait_however_slow_they_are() -> None:
    queue = Queue()
    queue.look(LET_WAIT, worked_off=0)
    queue.looks(500, come=0, worked_off=0)
    assert queue.line.refused_share == 0


def test_a_burst_passes() -> None:
    queue = Queue()
    queue.look(200, worked_off=20)
    queue.looks(50, come=10, worked_off=20)
    assert queue.refused < 20
    assert queue.line.refused_share == 0


@pytest.mark.parametrize("times", [2, 5, 20])
def test_of_more_than_is_worked_off_the_rest_is_refused_and_others_wait_no_longer_than_the_limit(times: int) -> None:
    queue = Queue()
    queue.looks(500, come=20 * times, worked_off=20)
    before = queue.refused
    queue.looks(500, come=20 * times, worked_off=20)
    assert queue.refused - before == pytest.approx(500 * 20 * (times - 1), rel=0.02)
    assert queue.line.length * LOOK_EVERY_S / 20 < 3 * MAX_WAIT_S
    assert queue.line.length >= 20  # nothing is refused for want of work


def test_after_an_overload_nothing_is_refused_any_more() -> None:
    queue = Queue()
    queue.looks(500, come=100, worked_off=20)
    queue.looks(100, come=10, worked_off=20)
    before = queue.refused
    queue.looks(100, come=10, worked_off=20)
    assert queue.refused == before


def test_some_calls_are_always_let_through() -> None:
    queue = Queue()
    queue.looks(500, come=100, worked_off=0)
    assert queue.line.refused_share == MOST_REFUSED
    assert not all(queue.line.refuses() for _ in range(100))


def handler(answer: Callable[[bytes, object], Awaitable[Empty]]) -> Any:
    return grpc.unary_unary_rpc_method_handler(answer, bytes, Empty.SerializeToString)


def handlers(may: asyncio.Event) -> list[grpc.GenericRpcHandler]:
    """Methods that answer with nothing, one of them as soon as it may."""

    async def at_once(request: bytes, context: object) -> Empty:
        return Empty()

    async def later(request: bytes, context: object) -> Empty:
        await may.wait()
        return Empty()

    of = {
        "CalculationService": {"Calculate": handler(later), "Explain": handler(at_once)},
        "SupplierService": {"GetSupplier": handler(at_once)},
        "UploadService": {"GetUpload": handler(at_once)},
    }
    return [grpc.method_handlers_generic_handler(f"vcci.v1.{name}", methods) for name, methods in of.items()]


@dataclass(frozen=True, slots=True)
class Served:
    channel: grpc.aio.Channel
    may: asyncio.Event
    shedding: Shedding
    metrics: Metrics
    number: int  # of channelz
    metadata: list[tuple[str, str]]

    async def call(self, method: str) -> grpc.aio.AioRpcError | None:
        """Return what a call is refused with; None when it is answered."""
        call: Any = self.channel.unary_unary(method)
        try:
            assert await call(b"", metadata=self.metadata, timeout=60) == b""
        except grpc.aio.AioRpcError as error:
            return error
        return None

    async def calls(self, method: str, count: int) -> list[grpc.aio.AioRpcError | None]:
        return await asyncio.gather(*(self.call(method) for _ in range(count)))

    def shed(self, line: str) -> float:
        return self.metrics.registry.get_sample_value("vcci_calls_shed_total", {"line": line}) or 0.0


async def _tenant_id(name: str) -> int | None:
    return 7


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    """A server whose lines nobody watches yet."""
    metrics, may = Metrics(), asyncio.Event()
    metadata = [("authorization", f"Bearer {make_token(SECRET, 'acme', 'tester', 600)}")]
    limits = CallLimits(wait_s=MAX_WAIT_S)
    boundary = Boundary(Authenticator(DevelopmentTokens(SECRET), _tenant_id), metrics, limits)
    boundary.add_generic_rpc_handlers(handlers(may))
    server = grpc_server(Settings(), boundary)
    number = newest_server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Served(channel, may, boundary.shedding, metrics, number, metadata)
    await server.stop(None)


def told(error: grpc.aio.AioRpcError) -> tuple[grpc.StatusCode, str, str, int]:
    """Return code, domain, reason and seconds until the next attempt."""
    status, info, retry = status_pb2.Status(), error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    trailers = dict(error.trailing_metadata() or ())
    status.ParseFromString(trailers["grpc-status-details-bin"])
    for detail in status.details:
        assert detail.Unpack(info) or detail.Unpack(retry)
    return error.code(), info.domain, info.reason, retry.retry_delay.seconds


async def test_calls_that_wait_for_their_method_are_answered_and_further_ones_are_told_when_to_come(
    served: Served,
) -> None:
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(served.calls(CALCULATE, 3 * LET_WAIT))
        await until(lambda: served.shedding.under_way == 3 * LET_WAIT)
        async with running(served.shedding.watch(served.number)):
            beyond: list[asyncio.Task[grpc.aio.AioRpcError | None]] = []

            def refused() -> bool:
                beyond.append(group.create_task(served.call(CALCULATE)))
                return served.shed("method") > 0

            await until(refused)
            assert await served.calls(EXPLAIN, 10) == [None] * 10  # another method has a line of its own
            served.may.set()
            assert await waiting == [None] * 3 * LET_WAIT
            errors = [error for error in await asyncio.gather(*beyond) if error is not None]
            assert len(errors) == served.shed("method")
            assert {told(error) for error in errors} == {(EXHAUSTED, "vcci", "OVERLOADED", 1)}
            await until(lambda: not served.shedding.line_of(CALCULATE).refused_share)
            assert await served.calls(CALCULATE, 2 * LET_WAIT) == [None] * 2 * LET_WAIT


async def test_while_calls_wait_to_be_taken_up_those_of_any_method_are_refused_but_of_uploads(served: Served) -> None:
    for _ in range(50):  # nothing is taken up, a second long
        served.shedding.look(held=1_000, elapsed_s=LOOK_EVERY_S)
    refusals = await served.calls(EXPLAIN, 40) + await served.calls(GET_SUPPLIER, 40)
    assert sum(error is not None for error in refusals) == served.shed("server") > 60
    assert await served.calls(GET_UPLOAD, 40) == [None] * 40
    for _ in range(100):
        served.shedding.look(held=0, elapsed_s=LOOK_EVERY_S)
    assert await served.calls(EXPLAIN, 40) == [None] * 40


async def test_it_is_known_how_many_calls_are_in_the_server(served: Served) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(served.calls(CALCULATE, 20))
        await until(lambda: served.shedding.under_way == 20)
        assert calls_held(served.number) == 20
        served.may.set()
    await until(lambda: calls_held(served.number) == 0)
    assert served.shedding.under_way == 0


async def test_calls_that_their_clients_give_up_are_not_counted_any_more(served: Served) -> None:
    calls = asyncio.ensure_future(served.calls(CALCULATE, 20))
    await until(lambda: served.shedding.under_way == 20)
    calls.cancel()
    await asyncio.gather(calls, return_exceptions=True)
    await until(lambda: calls_held(served.number) == 0 and served.shedding.under_way == 0)
    assert served.shedding.line_of(CALCULATE).length == 0
