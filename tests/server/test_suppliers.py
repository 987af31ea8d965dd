"""SupplierService on a real server."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import grpc
import grpc.aio
import pytest
from vcci.v1 import supplier_service_pb2 as pb
from vcci.v1 import supplier_service_pb2_grpc as rpc

from tests.failures import failure
from tests.server_process import ServerProcess


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller of the server, with codes of its own."""

    stub: "rpc.SupplierServiceAsyncStub"
    metadata: list[tuple[str, str]]
    prefix: str

    async def upsert(self, *suppliers: pb.Supplier) -> list[pb.Supplier]:
        request = pb.BatchUpsertSuppliersRequest(suppliers=suppliers)
        return list((await self.stub.BatchUpsertSuppliers(request, metadata=self.metadata)).suppliers)

    async def get(self, name: str) -> pb.Supplier:
        return await self.stub.GetSupplier(pb.GetSupplierRequest(name=name), metadata=self.metadata)

    async def list(self, **fields: Any) -> pb.ListSuppliersResponse:
        return await self.stub.ListSuppliers(pb.ListSuppliersRequest(**fields), metadata=self.metadata)


@pytest.fixture
async def caller(server: ServerProcess) -> AsyncIterator[Caller]:
    async with server.channel() as channel:
        yield Caller(rpc.SupplierServiceStub(channel), server.metadata(), uuid4().hex)


async def test_a_supplier_is_created_and_read_by_its_name(caller: Caller) -> None:
    code = f"{caller.prefix} ä/1"
    (made,) = await caller.upsert(pb.Supplier(code=code, display_name="Acme", country="DEU", industry="331110"))
    assert made.name == f"suppliers/{caller.prefix}%20%C3%A4%2F1"
    assert (made.code, made.display_name, made.country, made.industry) == (code, "Acme", "DE", "331110")
    assert made.create_time == made.update_time
    assert await caller.get(made.name) == made


async def test_an_empty_field_is_left_as_it_is(caller: Caller) -> None:
    await caller.upsert(pb.Supplier(code=caller.prefix, display_name="Acme", country="DE"))
    (changed,) = await caller.upsert(pb.Supplier(code=caller.prefix, country="fr"))
    assert (changed.display_name, changed.country) == ("Acme", "FR")


async def test_suppliers_come_back_in_the_order_of_the_request(caller: Caller) -> None:
    codes = [f"{caller.prefix}{number}" for number in (3, 1, 2)]
    made = await caller.upsert(*(pb.Supplier(code=code) for code in codes))
    assert [supplier.code for supplier in made] == codes


async def test_pages_hold_each_supplier_once(caller: Caller) -> None:
    codes = {f"{caller.prefix}{number:03}" for number in range(25)}
    await caller.upsert(*(pb.Supplier(code=code) for code in codes))
    seen: list[str] = []
    token = ""
    while True:
        page = await caller.list(page_size=7, page_token=token)
        assert len(page.suppliers) <= 7
        seen += [supplier.code for supplier in page.suppliers]
        token = page.next_page_token
        if not token:
            break
    assert seen == sorted(seen)
    assert len(seen) == len(set(seen))
    assert codes <= set(seen)


async def test_a_page_is_bounded(caller: Caller) -> None:
    await caller.upsert(*(pb.Supplier(code=f"{caller.prefix}{number:04}") for number in range(1_000)))
    await caller.upsert(pb.Supplier(code=f"{caller.prefix}x"))
    page = await caller.list(page_size=5_000)
    assert len(page.suppliers) == 1_000
    assert page.next_page_token


async def test_every_wrong_field_is_named_and_nothing_stored(caller: Caller) -> None:
    wrong = [
        pb.Supplier(code=caller.prefix),
        pb.Supplier(code=caller.prefix),
        pb.Supplier(),
        pb.Supplier(code="x" * 129, display_name="ä" * 129, industry="a\0", country="XX"),
    ]
    failed = await failure(caller.upsert(*wrong))
    assert failed.code is grpc.StatusCode.INVALID_ARGUMENT
    assert failed.fields == [
        ("suppliers[1].code", "MALFORMED_VALUE"),
        ("suppliers[2].code", "REQUIRED_FIELD"),
        ("suppliers[3].code", "LIMIT_EXCEEDED"),
        ("suppliers[3].display_name", "LIMIT_EXCEEDED"),
        ("suppliers[3].industry", "MALFORMED_VALUE"),
        ("suppliers[3].country", "MALFORMED_VALUE"),
    ]
    assert (await failure(caller.get(f"suppliers/{caller.prefix}"))).code is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(("count", "reason"), [(0, "REQUIRED_FIELD"), (1_001, "LIMIT_EXCEEDED")])
async def test_the_number_of_suppliers_is_bounded(caller: Caller, count: int, reason: str) -> None:
    failed = await failure(caller.upsert(*(pb.Supplier(code=str(number)) for number in range(count))))
    assert failed.fields == [("suppliers", reason)]


@pytest.mark.parametrize("name", ["", "S1", "suppliers/", "suppliers/a/b", "uploads/1", "suppliers/%00"])
async def test_a_name_that_is_no_suppliers_is_refused(caller: Caller, name: str) -> None:
    failed = await failure(caller.get(name))
    assert [field for field, _ in failed.fields] == ["name"]


async def test_a_wrong_page_token_or_size_is_refused(caller: Caller) -> None:
    for fields, reason in (({"page_token": "x"}, "INVALID_TOKEN"), ({"page_size": -1}, "OUT_OF_RANGE")):
        failed = await failure(caller.list(**fields))
        assert failed.fields[0][1] == reason
