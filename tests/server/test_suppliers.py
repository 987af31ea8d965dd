"""SupplierService on a real server."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import grpc
import grpc.aio
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from vcci.v1 import supplier_service_pb2 as pb
from vcci.v1 import supplier_service_pb2_grpc as rpc
from vcci_server.storage.supplier_lists import Place
from vcci_server.supplier_requests import write_place

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

    async def get(self, name: str, *fields: str) -> pb.Supplier:
        request = pb.GetSupplierRequest(name=name, read_mask=FieldMask(paths=fields))
        return await self.stub.GetSupplier(request, metadata=self.metadata)

    async def update(self, supplier: pb.Supplier, *fields: str) -> pb.Supplier:
        request = pb.UpdateSupplierRequest(supplier=supplier, update_mask=FieldMask(paths=fields))
        return await self.stub.UpdateSupplier(request, metadata=self.metadata)

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


async def test_a_token_of_another_filter_order_or_search_is_refused(caller: Caller) -> None:
    await caller.upsert(*(pb.Supplier(code=f"{caller.prefix}{number}", country="FR") for number in range(3)))
    asked: dict[str, Any] = {"filter": "country = FR", "page_size": 1}
    token = (await caller.list(**asked)).next_page_token
    assert token
    assert (await caller.list(**asked, page_token=token)).suppliers
    for other in ({"filter": "country = DE"}, {"order_by": "code desc"}, {"search": "x"}, {"filter": ""}):
        failed = await failure(caller.list(**{**asked, **other}, page_token=token))
        assert failed.fields == [("page_token", "INVALID_TOKEN")]


async def test_a_filter_and_a_search_choose_together(caller: Caller) -> None:
    await caller.upsert(
        pb.Supplier(code=f"{caller.prefix}1", display_name=f"{caller.prefix} Widgets", country="DE"),
        pb.Supplier(code=f"{caller.prefix}2", display_name=f"{caller.prefix} Gadgets", country="FR"),
    )
    page = await caller.list(search=f"{caller.prefix} widgts", page_size=1)
    assert [supplier.code for supplier in page.suppliers] == [f"{caller.prefix}1"]
    page = await caller.list(search=f"{caller.prefix} widgts", filter="country = FR", page_size=1)
    assert [supplier.code for supplier in page.suppliers] == [f"{caller.prefix}2"]


async def test_a_mask_leaves_the_rest_out(caller: Caller) -> None:
    (made,) = await caller.upsert(pb.Supplier(code=caller.prefix, display_name="Acme", country="DE"))
    assert await caller.get(made.name, "country", "name") == pb.Supplier(name=made.name, country="DE")
    page = await caller.list(filter=f"code = {caller.prefix}", read_mask=FieldMask(paths=["display_name"]))
    assert [*page.suppliers] == [pb.Supplier(display_name="Acme")]


async def test_an_update_changes_what_the_mask_names(caller: Caller) -> None:
    (made,) = await caller.upsert(pb.Supplier(code=caller.prefix, display_name="Acme", country="DE", industry="33"))
    assert made.status == pb.Supplier.STATUS_ACTIVE
    wanted = pb.Supplier(name=made.name, display_name="Acme Ltd", status=pb.Supplier.STATUS_INACTIVE)
    changed = await caller.update(wanted, "status")
    assert (changed.display_name, changed.status) == ("Acme", pb.Supplier.STATUS_INACTIVE)
    changed = await caller.update(wanted)
    assert (changed.display_name, changed.country) == ("Acme Ltd", "DE")
    changed = await caller.update(wanted, "*")
    assert (changed.country, changed.industry, changed.code) == ("", "", caller.prefix)
    assert changed.update_time.ToDatetime() > made.update_time.ToDatetime()
    assert await caller.get(made.name) == changed


async def test_an_upsert_without_a_status_leaves_it(caller: Caller) -> None:
    inactive = pb.Supplier(code=caller.prefix, status=pb.Supplier.STATUS_INACTIVE)
    await caller.upsert(inactive)
    (again,) = await caller.upsert(pb.Supplier(code=caller.prefix, country="DE"))
    assert again.status == pb.Supplier.STATUS_INACTIVE
    (active,) = await caller.upsert(pb.Supplier(code=caller.prefix, status=pb.Supplier.STATUS_ACTIVE))
    assert active.status == pb.Supplier.STATUS_ACTIVE


async def test_a_stale_etag_is_aborted_and_changes_nothing(caller: Caller) -> None:
    (made,) = await caller.upsert(pb.Supplier(code=caller.prefix, display_name="Acme"))
    first = await caller.update(pb.Supplier(name=made.name, etag=made.etag, display_name="First"), "display_name")
    assert first.etag != made.etag
    second = pb.Supplier(name=made.name, etag=made.etag, display_name="Second")
    failed = await failure(caller.update(second, "display_name"))
    assert (failed.code, failed.reason) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
    assert await caller.get(made.name) == first
    second.etag = first.etag
    assert (await caller.update(second, "display_name")).display_name == "Second"


@pytest.mark.parametrize(
    ("supplier", "mask", "field", "reason"),
    [
        ({}, ["country"], "supplier.name", "REQUIRED_FIELD"),
        ({"name": "suppliers/x"}, [], "update_mask", "REQUIRED_FIELD"),
        ({"name": "suppliers/x"}, ["code"], "update_mask.paths[0]", "UNKNOWN_FIELD"),
        ({"name": "suppliers/x"}, ["country", "kg_co2e"], "update_mask.paths[1]", "UNKNOWN_FIELD"),
        ({"name": "suppliers/x"}, ["status"], "supplier.status", "REQUIRED_FIELD"),
        ({"name": "suppliers/x", "country": "XX"}, [], "supplier.country", "MALFORMED_VALUE"),
        ({"name": "suppliers/x", "status": 9}, [], "supplier.status", "OUT_OF_RANGE"),
    ],
)
async def test_a_wrong_update_is_refused_with_its_field(
    caller: Caller, supplier: dict[str, Any], mask: list[str], field: str, reason: str
) -> None:
    failed = await failure(caller.update(pb.Supplier(**supplier), *mask))
    assert (failed.code, failed.fields) == (grpc.StatusCode.INVALID_ARGUMENT, [(field, reason)])


async def test_an_update_of_no_supplier_is_not_found(caller: Caller) -> None:
    failed = await failure(caller.update(pb.Supplier(name=f"suppliers/{caller.prefix}", country="DE")))
    assert (failed.code, failed.reason) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")


@pytest.mark.parametrize(
    ("asked", "field", "reason"),
    [
        ({"filter": "country = DE AND"}, "filter", "INVALID_FILTER"),
        ({"filter": "turnover > 5"}, "filter", "UNKNOWN_FIELD"),
        ({"filter": "kg_co2e > much"}, "filter", "INVALID_FILTER"),
        ({"filter": "(" * 11 + "kg_co2e > 1" + ")" * 11}, "filter", "LIMIT_EXCEEDED"),
        ({"order_by": "country"}, "order_by", "UNKNOWN_FIELD"),
        ({"order_by": "code down"}, "order_by", "MALFORMED_VALUE"),
        ({"order_by": "code", "search": "x"}, "order_by", "MALFORMED_VALUE"),
        ({"search": "x" * 129}, "search", "LIMIT_EXCEEDED"),
        ({"read_mask": FieldMask(paths=["code", "size"])}, "read_mask.paths[1]", "UNKNOWN_FIELD"),
    ],
)
async def test_a_wrong_list_is_refused_with_its_field(
    caller: Caller, asked: dict[str, Any], field: str, reason: str
) -> None:
    failed = await failure(caller.list(**asked))
    assert (failed.code, failed.fields) == (grpc.StatusCode.INVALID_ARGUMENT, [(field, reason)])


async def test_a_forged_key_in_a_token_is_refused(caller: Caller) -> None:
    request = pb.ListSuppliersRequest(order_by="kg_co2e")
    for tenant_id in range(1, 5):  # one of them is the caller's
        request.page_token = write_place(request, tenant_id, Place(0, "much", 1))
        failed = await failure(caller.list(order_by="kg_co2e", page_token=request.page_token))
        assert failed.fields == [("page_token", "INVALID_TOKEN")]


async def test_another_tenants_token_is_refused(caller: Caller) -> None:
    for tenant_id, wrong in ((1, False), (2, True)):  # the default tenant is made first
        token = write_place(pb.ListSuppliersRequest(), tenant_id, Place(0, "a", 0))
        if wrong:
            assert (await failure(caller.list(page_token=token))).fields == [("page_token", "INVALID_TOKEN")]
        else:
            await caller.list(page_token=token)
