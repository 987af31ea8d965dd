"""What a user of the tuning guide does: list suppliers three times, see the dashboard and calculate once each."""

from google.type.date_pb2 import Date
from vcci.v1 import activity_pb2
from vcci.v1.calculation_service_pb2 import CalculateRequest
from vcci.v1.emission_service_pb2 import GetDashboardRequest
from vcci.v1.supplier_service_pb2 import ListSuppliersRequest

from bench.load import Method
from bench.service import Service

LIST = "/vcci.v1.SupplierService/ListSuppliers"
DASHBOARD = "/vcci.v1.EmissionService/GetDashboard"
CALCULATE = "/vcci.v1.CalculationService/Calculate"
PAGE = 100

ACTIVITY = CalculateRequest(
    activities=[
        activity_pb2.Activity(
            supplier_code="S000001",
            supplier_name="Northern Steel",
            country="DE",
            category=activity_pb2.CATEGORY_PURCHASED_GOODS_AND_SERVICES,
            quantity=12_500.0,
            unit="kg",
            factor="material:steel",
            reporting_period=Date(year=2025, month=4, day=1),
            quality=activity_pb2.Quality(reliability=2, completeness=1, temporal=1, geographical=3, technological=2),
        )
    ]
)
# Each list once: all, the largest first, and those of a country.
LISTS = (
    ListSuppliersRequest(page_size=PAGE),
    ListSuppliersRequest(page_size=PAGE, order_by="kg_co2e desc"),
    ListSuppliersRequest(page_size=PAGE, filter="country = DE"),
)


def mix(service: Service, timeout_s: float) -> list[Method]:
    """Return the methods that a user calls, each as often."""
    asked = [*((LIST, one) for one in LISTS), (DASHBOARD, GetDashboardRequest()), (CALCULATE, ACTIVITY)]
    return [
        Method(service.address, path, request.SerializeToString(), service.metadata, timeout_s)
        for path, request in asked
    ]
