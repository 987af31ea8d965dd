"""The boundary on a real server and a real port, with a servicer whose calls end in every way."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from google.longrunning.operations_proto_pb2 import Operation
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from prometheus_client import generate_latest
from vcci import columns
from vcci.v1 import calculation_service_pb2 as pb
from vcci.v1 import calculation_service_pb2_grpc as rpc
from vcci.v1 import explanation_pb2
from vcci.v1.activity_pb2 import ActivityColumns
from vcci_engine.errors import FieldProblem, InvalidFields, NotFound, Overloaded, Unavailable, WriterFenced
from vcci_server.auth import Authenticator, DevelopmentTokens, caller, make_token
from vcci_server.boundary import Boundary
from vcci_server.metrics import Metrics
from vcci_server.status import MAX_DETAILS_BYTES
from vcci_server.tasks import running
from vcci_server.validation import CallLimits

from tests.server.behind import behind
from tests.waiting import until

SECRET = "a secret of the tests, long enough"
MAX_BYTES = 10_000
LIFETIME_S = 600.0


def _raise(what: str) -> None:
    if what == "group":
        raise ExceptionGroup("tasks", [WriterFenced()])
    if what == "mixed group":
        raise ExceptionGroup("tasks", [WriterFenced(), ZeroDivisionError("a password")])
    if what == "bug":
        raise ZeroDivisionError("a password")
    if what == "many":
        raise InvalidFields(
            [FieldProblem(f"activities[{n}].unit", "ü" * 128, "a unit", "UNKNOWN_UNIT") for n in range(100)]
        )
    if what == "missing":
        raise NotFound("there is no such thing", metadata={"name": "things/1"})
    if what == "busy":
        raise Overloaded(retry_after_s=2.5)
    if what == "storage":
        raise Unavailable


class Servicer(rpc.CalculationServiceServicer):
    """Answers with the caller's name, or ends as the request says."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.left = asyncio.Event()

    async def Calculate(self, request: pb.CalculateRequest, context: object) -> pb.CalculateResponse:
        _raise(request.request_id)
        if request.request_id == "slow":
            try:
                await self.go_on.wait()
            finally:
                self.left.set()
        return pb.CalculateResponse(upload=f"{caller().tenant_id} {caller().tenant} {caller().subject}")

    async def CalculateStream(
        self, requests: AsyncIterator[pb.CalculateStreamRequest], context: object
    ) -> AsyncIterator[Any]:
        while True:
            try:
                request = await anext(requests)
            except StopAsyncIteration:
                return
            except Exception as error:
                yield pb.CalculateStreamResponse(refusal=pb.CalculationRefusal(message=str(error)))
                continue
            unit = request.columns.units[0]
            _raise(unit)
            while unit == "flood":
                yield pb.CalculateStreamResponse()
            twin = columns.CalculateStreamResponse()
            twin.batch.factor_set = unit
            yield twin.SerializeToString() if unit == "bytes" else twin

    async def Recalculate(self, request: pb.RecalculateRequest, context: object) -> Operation:
        return Operation(name=request.request_id)

    async def Explain(self, request: pb.ExplainRequest, context: object) -> explanation_pb2.Explanation:
        return explanation_pb2.Explanation(name=request.name)


class Bench:
    """A served boundary, a stub to call it with, and its metrics."""

    def __init__(self, channel: grpc.aio.Channel, metrics: Metrics, servicer: Servicer) -> None:
        self.servicer = servicer
        self.channel = channel
        self.stub = rpc.CalculationServiceStub(channel)
        self.metrics = metrics
        self.token = make_token(SECRET, "acme", "tester", 60)

    @property
    def metadata(self) -> list[tuple[str, str]]:
        return [("authorization", f"Bearer {self.token}")]

    async def calculate(self, request_id: str = "", **options: Any) -> pb.CalculateResponse:
        options.setdefault("metadata", self.metadata)
        return await self.stub.Calculate(pb.CalculateRequest(request_id=request_id), **options)

    async def unary(self, method: str, request: bytes) -> None:
        call: Any = self.channel.unary_unary(f"/vcci.v1.CalculationService/{method}")
        await call(request, metadata=self.metadata)

    async def fail(self, request_id: str = "", **options: Any) -> tuple[grpc.aio.AioRpcError, status_pb2.Status]:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await self.calculate(request_id, **options)
        return raised.value, status_of(raised.value)


def status_of(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    return status_pb2.Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])


def detail(status: status_pb2.Status, kind: Any) -> Any:
    (found,) = [any_ for any_ in status.details if any_.Is(kind.DESCRIPTOR)]
    message = kind()
    found.Unpack(message)
    return message


async def _tenant_id(name: str) -> int | None:
    return {"acme": 7}.get(name)


@asynccontextmanager
async def serving(
    clock: Callable[[], float] = time.time,
    limits: CallLimits = CallLimits(MAX_BYTES),  # noqa: B008  frozen
) -> AsyncIterator[Bench]:
    metrics = Metrics()
    boundary = Boundary(Authenticator(DevelopmentTokens(SECRET), _tenant_id, clock=clock), metrics, limits)
    servicer = Servicer()
    async with (
        running(boundary.deadlines.watch()),
        behind(boundary, (rpc.add_CalculationServiceServicer_to_server, servicer)) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        yield Bench(channel, metrics, servicer)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with serving() as bench:
        yield bench


async def test_a_handler_knows_its_caller(bench: Bench) -> None:
    assert (await bench.calculate()).upload == "7 acme tester"


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ([], "UNAUTHENTICATED"),
        ([("authorization", "Basic abc")], "UNAUTHENTICATED"),
        ([("authorization", "Bearer abc")], "UNAUTHENTICATED"),
        ([("authorization", f"Bearer {make_token(SECRET, 'acme', 'x', -60)}")], "CREDENTIALS_EXPIRED"),
        ([("authorization", f"Bearer {make_token(SECRET + '!', 'acme', 'x', 3600)}")], "UNAUTHENTICATED"),
        ([("authorization", f"Bearer {make_token(SECRET, 'nobody', 'x', 3600)}")], "UNKNOWN_TENANT"),
    ],
)
async def test_a_wrong_token_is_told_why(bench: Bench, metadata: list[tuple[str, str]], reason: str) -> None:
    error, status = await bench.fail(metadata=metadata)
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    info = detail(status, error_details_pb2.ErrorInfo)
    assert (info.domain, info.reason) == ("vcci", reason)


async def test_a_stream_without_a_token_is_refused(bench: Bench) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await anext(aiter(bench.stub.CalculateStream(iter([pb.CalculateStreamRequest()]))))
    assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def _read_to_the_end(call: Any) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass


@pytest.mark.parametrize("unit", ["", "flood"], ids=["a stream that waits", "a stream that writes"])
async def test_a_stream_ends_when_its_token_expires(unit: str) -> None:
    expires_at = LIFETIME_S + time.time()
    async with serving(clock=lambda: expires_at - 0.3) as bench:
        token = make_token(SECRET, "acme", "tester", LIFETIME_S)
        call: Any = bench.stub.CalculateStream(metadata=[("authorization", f"Bearer {token}")])
        if unit:
            await call.write(pb.CalculateStreamRequest(columns=ActivityColumns(units=[unit])))
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await _read_to_the_end(call)
    assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert detail(status_of(raised.value), error_details_pb2.ErrorInfo).reason == "CREDENTIALS_EXPIRED"


async def test_a_call_without_a_deadline_ends_after_a_while_and_one_with_its_own_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vcci_server.deadlines.LOOK_EVERY_S", 0.01)
    async with serving(limits=CallLimits(MAX_BYTES, unlimited_s=0.05)) as bench:
        longer = asyncio.create_task(bench.calculate("slow", timeout=60))
        error, status = await bench.fail("slow")
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert detail(status, error_details_pb2.ErrorInfo).reason == "TIME_LIMIT_EXCEEDED"
        assert "longer than 0.05 s" in str(error.details())
        assert bench.servicer.left.is_set(), "the work is ended, too"
        assert not longer.done()
        bench.servicer.go_on.set()
        assert (await longer).upload == (await bench.calculate("slow")).upload == "7 acme tester"


async def test_standard_status_libraries_read_the_details(bench: Bench) -> None:
    call = bench.stub.Calculate(pb.CalculateRequest(request_id="missing"), metadata=bench.metadata)
    status = await rpc_status.aio.from_call(call)
    assert status is not None
    assert status.code == grpc.StatusCode.NOT_FOUND.value[0]
    assert detail(status, error_details_pb2.ResourceInfo).resource_name == "things/1"


async def test_every_wrong_field_that_fits_is_told_and_the_rest_counted(bench: Bench) -> None:
    error, status = await bench.fail("many")
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    violations = detail(status, error_details_pb2.BadRequest).field_violations
    assert 1 <= len(violations) < 100
    assert (violations[0].field, violations[0].reason) == ("activities[0].unit", "UNKNOWN_UNIT")
    assert detail(status, error_details_pb2.ErrorInfo).metadata["problems"] == "100"
    assert len(status.SerializeToString()) <= MAX_DETAILS_BYTES


@pytest.mark.parametrize(("what", "delay_s"), [("busy", 2.5), ("storage", 1.0)])
async def test_what_may_succeed_later_says_when_to_try_again(bench: Bench, what: str, delay_s: float) -> None:
    _, status = await bench.fail(what)
    assert detail(status, error_details_pb2.RetryInfo).retry_delay.ToNanoseconds() == delay_s * 1e9


async def test_an_error_inside_a_task_group_keeps_its_status(bench: Bench) -> None:
    error, status = await bench.fail("group")
    assert error.code() is grpc.StatusCode.ABORTED
    assert detail(status, error_details_pb2.ErrorInfo).reason == "WRITER_FENCED"


@pytest.mark.parametrize("what", ["bug", "mixed group"])
async def test_a_fault_is_logged_and_nothing_of_it_told(
    bench: Bench, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    error, status = await bench.fail(what, metadata=[*bench.metadata, ("x-request-id", "mine-1")])
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "password" not in str(status)
    assert "mine-1" in str(error.details())
    assert "a password" in caplog.text


async def test_the_request_id_comes_back(bench: Bench) -> None:
    call = bench.stub.Calculate(pb.CalculateRequest(), metadata=[*bench.metadata, ("x-request-id", "mine-2")])
    assert dict(await call.trailing_metadata())["x-request-id"] == "mine-2"
    made = bench.stub.Calculate(pb.CalculateRequest(), metadata=bench.metadata)
    assert dict(await made.trailing_metadata())["x-request-id"]


async def test_a_message_that_is_not_protobuf_is_told_so(bench: Bench) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await bench.unary("Calculate", b"\x0a\xff\xff")
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert detail(status_of(raised.value), error_details_pb2.ErrorInfo).reason == "MALFORMED_MESSAGE"


async def test_text_that_is_not_utf8_is_told_so(bench: Bench) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await bench.unary("Calculate", b"\x1a\x01\xff")
    assert detail(status_of(raised.value), error_details_pb2.ErrorInfo).reason == "MALFORMED_MESSAGE"


async def test_a_message_over_the_limit_is_told_the_limit(bench: Bench) -> None:
    error, status = await bench.fail("x" * (MAX_BYTES + 1))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    info = detail(status, error_details_pb2.ErrorInfo)
    assert (info.reason, info.metadata["field"]) == ("LIMIT_EXCEEDED", "message")


async def test_oversized_metadata_is_told_the_limit(bench: Bench) -> None:
    _, status = await bench.fail(metadata=[*bench.metadata, ("x-long", "x" * 8_192)])
    info = detail(status, error_details_pb2.ErrorInfo)
    assert (info.reason, info.metadata["field"]) == ("LIMIT_EXCEEDED", "metadata")


async def test_a_stream_goes_on_after_a_message_that_cannot_be_read(bench: Bench) -> None:
    call: Any = bench.channel.stream_stream(
        "/vcci.v1.CalculationService/CalculateStream", response_deserializer=pb.CalculateStreamResponse.FromString
    )
    requests = [_request("one"), b"\x0a\xff\xff", _request("bytes")]
    answers = [answer async for answer in call(iter(requests), metadata=bench.metadata)]
    assert [answer.WhichOneof("response") for answer in answers] == ["batch", "refusal", "batch"]
    assert [answer.batch.factor_set for answer in answers] == ["one", "", "bytes"]


def _request(unit: str) -> bytes:
    request = pb.CalculateStreamRequest()
    request.columns.units.append(unit)
    return request.SerializeToString()


async def test_a_stream_ends_with_the_status_of_its_error(bench: Bench) -> None:
    request = pb.CalculateStreamRequest.FromString(_request("busy"))
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await anext(aiter(bench.stub.CalculateStream(iter([request]), metadata=bench.metadata)))
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert detail(status_of(raised.value), error_details_pb2.ErrorInfo).reason == "OVERLOADED"


async def test_an_unknown_method_is_unimplemented(bench: Bench) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await bench.unary("Nothing", b"")
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_calls_are_counted_by_endpoint_and_status(bench: Bench) -> None:
    await bench.calculate()
    await bench.calculate()
    await bench.fail("storage")
    text = generate_latest(bench.metrics.registry).decode()
    labels = 'endpoint="/vcci.v1.CalculationService/Calculate",method="unary"'
    assert f'api_requests_total{{{labels},status="OK"}} 2.0' in text
    assert f'api_requests_total{{{labels},status="UNAVAILABLE"}} 1.0' in text
    assert 'api_request_duration_seconds_count{endpoint="/vcci.v1.CalculationService/Calculate"} 3.0' in text


async def test_a_stream_that_its_client_leaves_is_counted_as_cancelled(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    request = pb.CalculateStreamRequest.FromString(_request("flood"))
    call = bench.stub.CalculateStream(iter([request]), metadata=bench.metadata)
    await anext(aiter(call))
    call.cancel()
    counted = 'api_requests_total{endpoint="/vcci.v1.CalculationService/CalculateStream",method="bidi_stream",status='
    await until(lambda: f'{counted}"CANCELLED"}} 1.0' in generate_latest(bench.metrics.registry).decode())
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
