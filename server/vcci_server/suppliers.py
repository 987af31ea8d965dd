"""SupplierService: who is bought from."""

from urllib.parse import quote, unquote

from google.protobuf.timestamp_pb2 import Timestamp
from vcci.v1 import supplier_service_pb2 as pb
from vcci.v1 import supplier_service_pb2_grpc
from vcci_engine.countries import alpha_2
from vcci_engine.errors import InvalidField, NotFound

from vcci_server.auth import caller
from vcci_server.storage.suppliers import SupplierFields, SupplierRecord, SupplierStore
from vcci_server.tokens import read_token, write_token
from vcci_server.validation import MAX_NAME_BYTES, MAX_STRING_BYTES, Problems, page_size

COLLECTION = "suppliers"
MOST_UPSERTED = 1_000


class SupplierServicer(supplier_service_pb2_grpc.SupplierServiceServicer):
    """Suppliers of the caller's tenant."""

    def __init__(self, store: SupplierStore) -> None:
        self._store = store

    async def GetSupplier(self, request: pb.GetSupplierRequest, context: object) -> pb.Supplier:
        """Return one supplier."""
        code = _code(request.name)
        try:
            return supplier_message(await self._store.get(caller().tenant_id, code))
        except NotFound as error:
            raise NotFound(f"there is no {request.name}", metadata={"name": request.name}) from error

    async def ListSuppliers(self, request: pb.ListSuppliersRequest, context: object) -> pb.ListSuppliersResponse:
        """List suppliers by code."""
        tenant_id = caller().tenant_id
        size = page_size(request.page_size, 100, 1_000)
        after = read_token(request.page_token, COLLECTION, tenant_id, default="")
        records = await self._store.list_page(tenant_id, limit=size + 1, after=after)
        more = len(records) > size
        return pb.ListSuppliersResponse(
            suppliers=map(supplier_message, records[:size]),
            next_page_token=write_token(COLLECTION, tenant_id, records[size - 1].code) if more else "",
        )

    async def BatchUpsertSuppliers(
        self, request: pb.BatchUpsertSuppliersRequest, context: object
    ) -> pb.BatchUpsertSuppliersResponse:
        """Create suppliers or replace their fields, all or none."""
        records = await self._store.upsert(caller().tenant_id, _fields(request))
        return pb.BatchUpsertSuppliersResponse(suppliers=map(supplier_message, records))


def _code(name: str) -> str:
    prefix, _, code = name.rpartition("/")
    decoded = unquote(code)
    if prefix != COLLECTION or not decoded or "\0" in decoded:
        reason = "MALFORMED_VALUE" if name else "REQUIRED_FIELD"
        raise InvalidField("name", name, "a name `suppliers/{code}`, the code percent-encoded", reason=reason)
    return decoded


def _fields(request: pb.BatchUpsertSuppliersRequest) -> list[SupplierFields]:
    count = len(request.suppliers)
    if not 1 <= count <= MOST_UPSERTED:
        reason = "LIMIT_EXCEEDED" if count else "REQUIRED_FIELD"
        raise InvalidField("suppliers", count, f"1 to {MOST_UPSERTED} suppliers", reason=reason)
    problems = Problems()
    codes: set[str] = set()
    for number, supplier in enumerate(request.suppliers):
        _check(f"suppliers[{number}]", supplier, codes, problems)
    problems.check()
    return [
        SupplierFields(given.code, given.display_name, alpha_2(given.country) or "", given.industry)
        for given in request.suppliers
    ]


def _check(field: str, supplier: pb.Supplier, codes: set[str], problems: Problems) -> None:
    problems.text(f"{field}.code", supplier.code, MAX_STRING_BYTES, required=True)
    problems.text(f"{field}.display_name", supplier.display_name, MAX_NAME_BYTES)
    problems.text(f"{field}.industry", supplier.industry, MAX_STRING_BYTES)
    if supplier.code in codes:
        problems.add(f"{field}.code", supplier.code, "each code once", "MALFORMED_VALUE")
    codes.add(supplier.code)
    if alpha_2(supplier.country) is None:
        problems.add(f"{field}.country", supplier.country, "a code of ISO 3166-1", "MALFORMED_VALUE")


def supplier_message(record: SupplierRecord) -> pb.Supplier:
    """Return a supplier as the contract has it."""
    create_time, update_time = Timestamp(), Timestamp()
    create_time.FromDatetime(record.created_at)
    update_time.FromDatetime(record.updated_at)
    return pb.Supplier(
        name=f"{COLLECTION}/{quote(record.code, safe='')}",
        code=record.code,
        display_name=record.display_name,
        country=record.country,
        industry=record.industry,
        create_time=create_time,
        update_time=update_time,
    )
