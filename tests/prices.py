"""Price sets for tests through the client."""

from vcci.v1.price_service_pb2 import PRICE_KIND_INDEX, PRICE_KIND_RATE, Price
from vcci_client import AsyncClient


async def deactivate_all(client: AsyncClient) -> None:
    """Leave the tenant without an active price set: spend is taken as it is."""
    for price_set in [item async for item in client.list_price_sets()]:
        if price_set.active:
            await client.deactivate_price_set(price_set.name)


def rate(currency: str, year: int, value: float, *, month: int = 0, base: str = "EUR") -> Price:
    """A rate."""
    return Price(
        kind=PRICE_KIND_RATE,
        currency=currency,
        base_currency=base,
        year=year,
        month=month,
        value=value,
        source_note="A test",
    )


def index(currency: str, year: int, value: float) -> Price:
    """A price index."""
    return Price(kind=PRICE_KIND_INDEX, currency=currency, year=year, value=value, source_note="A test")
