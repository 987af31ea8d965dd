"""Suppliers that a stream has for all its batches: sent once, counted by index, and whatever can be wrong with them."""

from typing import Any

import grpc
import pytest
from vcci.columns import checksum
from vcci.v1 import upload_service_pb2 as pb
from vcci.v1.emission_service_pb2 import EMISSION_COLUMN_ROW, EMISSION_COLUMN_SUPPLIER
from vcci.v1.supplier_service_pb2 import GetSupplierRequest
from vcci.v1.supplier_service_pb2_grpc import SupplierServiceStub

from tests.server_process import ServerProcess
from tests.uploads import Uploads, columns


def adding(first: int, *codes: str, **fields: Any) -> pb.AppendActivitiesRequest:
    """A message that adds suppliers to the stream's."""
    message = pb.AddSuppliers(first=first, codes=codes, **fields)
    if not message.HasField("crc32c"):
        message.crc32c = checksum(message)
    return pb.AppendActivitiesRequest(suppliers=message)


def counting(offset: int, *suppliers: int, **changes: Any) -> pb.AppendBatch:
    """A batch of rows of some of the stream's suppliers."""
    fields = {"supplier_codes": [], "supplier": suppliers} | changes
    return pb.AppendBatch(offset=offset, columns=columns(len(suppliers), first=offset, **fields))


async def suppliers_of(uploads: Uploads, name: str) -> list[str]:
    """Return the supplier of each stored row, in the order of the rows."""
    found: dict[int, str] = {}
    for page in await uploads.pages(name, (EMISSION_COLUMN_ROW, EMISSION_COLUMN_SUPPLIER)):
        found |= dict(zip(page.row.tolist(), page.supplier.texts(), strict=True))
    return [found[row] for row in sorted(found)]


async def test_batches_count_the_suppliers_of_their_stream(uploads: Uploads, name: str) -> None:
    async with uploads.writing(name) as writer:
        await writer.send(adding(0, "A1", "A2"))
        await writer.send(counting(0, 0, 1))
        await writer.send(adding(2, "A3"))
        await writer.send(counting(2, 2, 0))
        await writer.send(pb.AppendBatch(offset=4, columns=columns(1, supplier_codes=["own"])))
        await writer.send(adding(0, "B1"))
        await writer.send(counting(5, 0))
        answers: list[Any] = [await writer.answer() for _ in range(4)]
        assert [answer.offset for answer in answers] == [0, 2, 4, 5]
    assert await suppliers_of(uploads, name) == ["A1", "A2", "A3", "A1", "own", "B1"]


async def test_names_and_countries_of_the_stream_are_taken_over_where_a_row_is_accepted(
    server: ServerProcess, uploads: Uploads, name: str
) -> None:
    async with uploads.writing(name) as writer:
        await writer.send(adding(0, "N1", "N2", names=["One", "Two"], countries=["FR", "DEU"], country=[1, 0]))
        await writer.ask(counting(0, 0, 1, quantity=[1.0, -1.0]))
    stub = SupplierServiceStub(uploads.channel)
    one = await stub.GetSupplier(GetSupplierRequest(name="suppliers/N1"), metadata=uploads.metadata)
    assert (one.display_name, one.country) == ("One", "DE")
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await stub.GetSupplier(GetSupplierRequest(name="suppliers/N2"), metadata=uploads.metadata)
    assert error.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_row_of_a_wrong_supplier_of_the_stream_is_rejected(uploads: Uploads, name: str) -> None:
    async with uploads.writing(name) as writer:
        await writer.send(adding(0, "W1", "", "W3", countries=["", "XX"], country=[0, 0, 1]))
        ack = await writer.ask(counting(0, 0, 1, 2))
    assert [(error.row, error.field, error.value) for error in ack.row_errors] == [
        (1, "supplier_code", ""),
        (2, "country", "XX"),
    ]
    assert await suppliers_of(uploads, name) == ["W1"]


async def test_an_index_beyond_the_suppliers_of_the_stream_refuses_the_batch(uploads: Uploads, name: str) -> None:
    async with uploads.writing(name) as writer:
        await writer.send(adding(0, "I1"))
        refusal = await writer.ask(counting(0, 0, 1))
        assert (refusal.field, refusal.value) == ("columns.supplier[1]", "1")
        assert refusal.expected == "an index into the stream's suppliers, which has 1 entries"
        assert (await writer.ask(counting(0, 0))).committed_through == 1


async def test_another_stream_begins_without_suppliers(uploads: Uploads, name: str) -> None:
    async with uploads.writing(name) as writer:
        await writer.send(adding(0, "O1"))
        await writer.ask(counting(0, 0))
    async with uploads.writing(name) as writer:
        refusal = await writer.ask(counting(1, 0))
    assert (refusal.field, refusal.value) == ("columns.supplier[0]", "0")


WRONG = {
    "not the next": (adding(3, "S"), "INDEX_OUT_OF_DICTIONARY", "suppliers.first", "3"),
    "checksum": (adding(0, "S", crc32c=1), "CHECKSUM_MISMATCH", "suppliers.crc32c", "0x00000001"),
    "long code": (adding(0, "S", "x" * 129), "LIMIT_EXCEEDED", "suppliers.codes[1]", "x" * 128),
    "NUL": (adding(0, "S", names=["a\0b"]), "MALFORMED_VALUE", "suppliers.names[0]", "a\\x00b"),
    "names": (adding(0, "S", "T", names=["a"]), "UNEQUAL_COLUMNS", "suppliers.names", "1 values"),
    "country": (adding(0, "S", countries=["DE"], country=[0, 0]), "UNEQUAL_COLUMNS", "suppliers.country", "2 values"),
    "no such country": (
        adding(0, "S", "T", countries=["DE"], country=[0, 1]),
        *("INDEX_OUT_OF_DICTIONARY", "suppliers.country[1]", "1"),
    ),
    "long country": (
        adding(0, "S", countries=["x" * 129], country=[0]),
        *("LIMIT_EXCEEDED", "suppliers.countries[0]", "x" * 128),
    ),
    "too many": (adding(0, *["S"] * 250_001), "LIMIT_EXCEEDED", "suppliers.codes", "250001"),
}


@pytest.mark.parametrize(("message", "reason", "field", "value"), WRONG.values(), ids=WRONG)
async def test_wrong_suppliers_end_the_stream_and_the_upload_goes_on(
    uploads: Uploads, name: str, message: pb.AppendActivitiesRequest, reason: str, field: str, value: str
) -> None:
    async with uploads.writing(name) as writer:
        await writer.send(message)
        failure = await writer.failure()
    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    (problem,) = failure.problems
    assert (problem.reason, problem.field) == (reason, field)
    assert value in problem.description
    async with uploads.writing(name) as writer:
        await writer.send(adding(0, "good"))
        assert (await writer.ask(counting(0, 0))).committed_through == 1
    assert await suppliers_of(uploads, name) == ["good"]
