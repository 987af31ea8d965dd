"""SupplierService: who is bought from."""

from dataclasses import asdict

from vcci.v1 import supplier_service_pb2 as pb
from vcci.v1 import supplier_service_pb2_grpc
from vcci_engine.errors import InvalidField, NotFound

from vcci_server.auth import caller
from vcci_server.filters import FilterLimits
from vcci_server.storage.supplier_lists import COLUMNS, SupplierReader
from vcci_server.storage.suppliers import SupplierStore
from vcci_server.supplier_requests import (
    WRITTEN,
    changed_fields,
    code_of,
    listing_of,
    read_place,
    run_of,
    supplier_message,
    upserted_fields,
    wanted_fields,
    write_place,
)
from vcci_server.validation import page_size


class SupplierServicer(supplier_service_pb2_grpc.SupplierServiceServicer):
    """Suppliers of the caller's tenant."""

    def __init__(self, store: SupplierStore, reader: SupplierReader, limits: FilterLimits) -> None:
        self._limits = limits
        self._store = store
        self._reader = reader

    async def GetSupplier(self, request: pb.GetSupplierRequest, context: object) -> pb.Supplier:
        """Return one supplier."""
        wanted = wanted_fields(request.read_mask)
        return await self._get(request.name, code_of(request.name), wanted, run_of(request.as_of))

    async def ListSuppliers(self, request: pb.ListSuppliersRequest, context: object) -> pb.ListSuppliersResponse:
        """List the suppliers that a filter and a search choose."""
        tenant_id = caller().tenant_id
        size = page_size(request.page_size, 100, 1_000)
        listing = listing_of(request, self._limits)
        page = await self._reader.page(tenant_id, listing, size, read_place(request, tenant_id))
        return pb.ListSuppliersResponse(
            suppliers=[supplier_message(row, listing.wanted) for row in page.suppliers],
            next_page_token=write_place(request, tenant_id, page.behind),
            rows_not_counted=page.rows_not_counted,
        )

    async def BatchUpsertSuppliers(
        self, request: pb.BatchUpsertSuppliersRequest, context: object
    ) -> pb.BatchUpsertSuppliersResponse:
        """Create suppliers or replace their fields, all or none."""
        records = await self._store.upsert(caller().tenant_id, upserted_fields(request))
        return pb.BatchUpsertSuppliersResponse(
            suppliers=[supplier_message(asdict(record), WRITTEN) for record in records]
        )

    async def UpdateSupplier(self, request: pb.UpdateSupplierRequest, context: object) -> pb.Supplier:
        """Change fields of one supplier."""
        name, changes = request.supplier.name, changed_fields(request)
        code = code_of(name, "supplier.name")
        if not changes:
            raise InvalidField("update_mask", "", "a field to change", reason="REQUIRED_FIELD")
        try:
            await self._store.update(caller().tenant_id, code, changes, request.supplier.etag)
        except NotFound as error:
            raise _no(name) from error
        return await self._get(name, code, frozenset(COLUMNS))

    async def _get(self, name: str, code: str, wanted: frozenset[str], run_id: int = 0) -> pb.Supplier:
        try:
            return supplier_message(await self._reader.get(caller().tenant_id, code, wanted, run_id), wanted)
        except NotFound as error:
            if error.metadata:  # it is the run that is not there
                raise
            raise _no(name) from error


def _no(name: str) -> NotFound:
    return NotFound(f"there is no {name}", metadata={"name": name})
