"""What a user of the tuning guide does: list suppliers three times, see the dashboard and calculate once each."""

from vcci.v1.emission_service_pb2 import GetDashboardRequest
from vcci.v1.supplier_service_pb2 import ListSuppliersRequest

from bench.bench_calls import CALCULATE, request_of
from bench.load import Method
from bench.service import Service

LIST = "/vcci.v1.SupplierService/ListSuppliers"
DASHBOARD = "/vcci.v1.EmissionService/GetDashboard"
PAGE = 100

# Each list once: all, the largest first, and those of a country.
LISTS = (
    ListSuppliersRequest(page_size=PAGE),
    ListSuppliersRequest(page_size=PAGE, order_by="kg_co2e desc"),
    ListSuppliersRequest(page_size=PAGE, filter="country = DE"),
)


def mix(service: Service, timeout_s: float = 30.0) -> list[Method]:
    """Return the methods that a user calls, each as often."""
    asked = [*((LIST, one) for one in LISTS), (DASHBOARD, GetDashboardRequest()), (CALCULATE, request_of(1))]
    return [
        Method(service.address, path, request.SerializeToString(), service.metadata, timeout_s)
        for path, request in asked
    ]
