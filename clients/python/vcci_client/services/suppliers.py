"""SupplierService."""

from collections.abc import AsyncIterator, Iterable, Sequence

from google.protobuf.field_mask_pb2 import FieldMask
from vcci.v1 import supplier_service_pb2 as pb

from vcci_client.connection import Service

SUPPLIERS_PER_PAGE = 1_000


class Suppliers(Service):
    """Suppliers; uploads make them by themselves."""

    async def get_supplier(self, name: str, *, fields: Iterable[str] = (), as_of: str = "") -> pb.Supplier:
        """Return the supplier `suppliers/{code}`, or some fields of it; figures as of a run, `runs/{run}`, if given."""
        request = pb.GetSupplierRequest(name=name, read_mask=FieldMask(paths=fields), as_of=as_of)
        return await self.connection.call(self.connection.suppliers.GetSupplier, request)

    async def list_suppliers(
        self,
        supplier_filter: str = "",
        *,
        order_by: str = "",
        search: str = "",
        fields: Iterable[str] = (),
        page_size: int = SUPPLIERS_PER_PAGE,
        as_of: str = "",
    ) -> AsyncIterator[pb.Supplier]:
        """Yield the suppliers that a filter and a search choose (ListSuppliersRequest says how), by code or as ordered.

        `page_size` of them come at a time. Figures are as ingested, or as of a run, `runs/{run}`.
        """
        pages = self.list_supplier_pages(
            supplier_filter, order_by=order_by, search=search, fields=fields, page_size=page_size, as_of=as_of
        )
        async for page in pages:
            for supplier in page.suppliers:
                yield supplier

    async def list_supplier_pages(
        self,
        supplier_filter: str = "",
        *,
        order_by: str = "",
        search: str = "",
        fields: Iterable[str] = (),
        page_size: int = SUPPLIERS_PER_PAGE,
        as_of: str = "",
    ) -> AsyncIterator[pb.ListSuppliersResponse]:
        """Yield the pages of list_suppliers, which say how many rows the suppliers' figures do not count yet."""
        request = pb.ListSuppliersRequest(
            page_size=page_size,
            filter=supplier_filter,
            order_by=order_by,
            search=search,
            read_mask=FieldMask(paths=fields),
            as_of=as_of,
        )
        async for page in self.connection.pages(self.connection.suppliers.ListSuppliers, request):
            yield page

    async def batch_upsert_suppliers(self, suppliers: Iterable[pb.Supplier]) -> Sequence[pb.Supplier]:
        """Create or change up to 1,000 suppliers, all or none; return them as they are now."""
        request = pb.BatchUpsertSuppliersRequest(suppliers=suppliers)
        return (await self.connection.call(self.connection.suppliers.BatchUpsertSuppliers, request)).suppliers

    async def update_supplier(self, supplier: pb.Supplier, *, fields: Iterable[str] = ()) -> pb.Supplier:
        """Change fields of the supplier with this `name`; none: those that it has. Return it as it is now.

        With its `etag` as it was read, raise EtagMismatch when somebody else has changed it since.
        """
        request = pb.UpdateSupplierRequest(supplier=supplier, update_mask=FieldMask(paths=fields))
        return await self.connection.call(self.connection.suppliers.UpdateSupplier, request)
