"""Every method of the contract over a real channel, with wrong requests: each is told what is wrong, and where."""

import json
from collections.abc import Iterator
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from vcci_server.tokens import write_token

from tests.contract import METHODS, Method
from tests.failures import failure_of
from tests.server.wrong_requests import ELSEWHERE, OTHER_TOKEN, TABLE, Wrong
from tests.server_process import ServerProcess, running_server

LARGEST = {FieldDescriptor.CPPTYPE_INT32: 2**31 - 1, FieldDescriptor.CPPTYPE_UINT32: 2**32 - 1}
LEAST = {FieldDescriptor.CPPTYPE_INT32: -(2**31), FieldDescriptor.CPPTYPE_INT64: -(2**63)}
LARGEST |= {FieldDescriptor.CPPTYPE_INT64: 2**63 - 1, FieldDescriptor.CPPTYPE_UINT64: 2**64 - 1}
TOLD = frozenset({"OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "ABORTED"})
DEPTH = 3  # of messages in a request


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """A server of this file's own: some strange requests are taken."""
    with running_server() as process:
        yield process


def short(method: Method) -> str:
    """Return `RunService.GetRun`."""
    return f"{method.service.rpartition('.')[2]}.{method.name}"


def request_of(method: Method) -> Any:
    """Return an empty request."""
    return message_factory.GetMessageClass(method.descriptor.input_type)()


def test_every_field_of_every_method_has_a_wrong_value_in_the_table() -> None:
    missing = []
    for method in METHODS:
        told = {wrong.field.partition(".")[0].partition("[")[0] for wrong in TABLE.get(short(method), ())}
        for field in method.descriptor.input_type.fields:
            known = f"{method.descriptor.input_type.name}.{field.name}" in ELSEWHERE or field.name in told
            if not known and field.cpp_type != FieldDescriptor.CPPTYPE_BOOL:
                missing.append(f"{short(method)} {field.name}")
    assert missing == []
    assert TABLE.keys() <= set(map(short, METHODS))


@pytest.mark.parametrize(
    ("method", "wrong"),
    [
        pytest.param(method, wrong, id=f"{short(method)}-{number}-{wrong.field}")
        for method in METHODS
        for number, wrong in enumerate(TABLE.get(short(method), ()))
    ],
)
async def test_a_wrong_request_is_told_its_place(server: ServerProcess, method: Method, wrong: Wrong) -> None:
    token = write_token("another list", 1, 5)
    fields = json.loads(json.dumps(wrong.request).replace(OTHER_TOKEN, token))
    request: Message = json_format.ParseDict(fields, request_of(method))
    async with server.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await method.answers(channel, request.SerializeToString(), server.metadata())
    failure = failure_of(raised.value)
    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, wrong.reason)
    assert failure.fields == [(wrong.field, wrong.reason)]
    (violation,) = failure.violations
    assert "found" in violation.description
    assert "expected" in violation.description


@pytest.mark.parametrize("method", METHODS, ids=short)
async def test_strange_values_are_never_a_fault_of_the_server(server: ServerProcess, method: Method) -> None:
    async with server.channel() as channel:
        for request in sorted({message.SerializeToString() for message in strange(request_of(method), DEPTH)}):
            code, reason = await outcome(method, channel, request, server)
            assert code in TOLD, (method.path, request, reason)
            assert reason or code == "OK", (method.path, request)


async def outcome(method: Method, channel: grpc.aio.Channel, request: bytes, server: ServerProcess) -> tuple[str, str]:
    """Return the status that a call ends with, and its reason."""
    try:
        await method.answers(channel, request, server.metadata())
    except grpc.aio.AioRpcError as error:
        return error.code().name, failure_of(error).reason
    return "OK", ""


def strange(message: Message, depth: int) -> Iterator[Message]:
    """Yield messages with one strange value each, of fields at any depth."""
    for field in message.DESCRIPTOR.fields:
        for value in _values(field, depth):
            made = type(message)()
            if field.is_repeated:
                getattr(made, field.name).append(value)
            elif isinstance(value, Message):
                getattr(made, field.name).CopyFrom(value)
            else:
                setattr(made, field.name, value)
            yield made


def _values(field: Any, depth: int) -> Iterator[Any]:
    kind = field.cpp_type
    if field.message_type is not None:
        if depth > 1 and not field.message_type.GetOptions().map_entry:
            of = message_factory.GetMessageClass(field.message_type)()
            yield of
            yield from strange(of, depth - 1)
    elif field.type == FieldDescriptor.TYPE_BYTES:
        yield b"\xff\0"
    elif kind == FieldDescriptor.CPPTYPE_STRING:
        yield from ("\0", "ü" * 5_000, "../%s'--", "uploads/0", "operations/9", "-1")
    elif kind in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
        yield from (float("nan"), float("inf"), -1e300)
    elif kind == FieldDescriptor.CPPTYPE_ENUM:
        yield 99
    elif kind == FieldDescriptor.CPPTYPE_BOOL:
        yield True
    else:
        yield from (LARGEST[kind], LEAST.get(kind, 0))
