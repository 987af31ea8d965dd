"""SupplierService."""

from collections.abc import AsyncIterator, Iterable, Sequence

from vcci.v1 import supplier_service_pb2 as pb

from vcci_client.connection import Service

SUPPLIERS_PER_PAGE = 1_000


class Suppliers(Service):
    """Suppliers; uploads make them by themselves."""

    async def get_supplier(self, name: str) -> pb.Supplier:
        """Return the supplier `suppliers/{code}`."""
        return await self.connection.call(self.connection.suppliers.GetSupplier, pb.GetSupplierRequest(name=name))

    async def list_suppliers(self) -> AsyncIterator[pb.Supplier]:
        """Yield the suppliers by code."""
        request = pb.ListSuppliersRequest(page_size=SUPPLIERS_PER_PAGE)
        async for page in self.connection.pages(self.connection.suppliers.ListSuppliers, request):
            for supplier in page.suppliers:
                yield supplier

    async def batch_upsert_suppliers(self, suppliers: Iterable[pb.Supplier]) -> Sequence[pb.Supplier]:
        """Create or change up to 1,000 suppliers, all or none; return them as they are now."""
        request = pb.BatchUpsertSuppliersRequest(suppliers=suppliers)
        return (await self.connection.call(self.connection.suppliers.BatchUpsertSuppliers, request)).suppliers
