"""What tests of versions of factor sets look at."""

from vcci.v1 import factor_service_pb2 as pb
from vcci_client import AsyncClient

from tests.server.factor_service import factor

CHANGED, ADDED, REMOVED = (
    *(pb.FactorDifference.KIND_CHANGED, pb.FactorDifference.KIND_ADDED, pb.FactorDifference.KIND_REMOVED),
)


DIESEL, PETROL, STEEL = (
    factor(),
    factor(code="petrol", display_name="Petrol", kg_co2e=2.1),
    factor(source="naics", code="331110", display_name="Steel", unit="USD", kg_co2e=0.8, price_year=2022),
)


async def all_factors(client: AsyncClient, set_name: str = "") -> dict[str, pb.Factor]:
    return {item.code: item async for item in client.list_factors(set_name)}


async def all_sets(client: AsyncClient) -> list[pb.FactorSet]:
    return [item async for item in client.list_factor_sets()]


async def all_differences(client: AsyncClient, old: pb.FactorSet, new: pb.FactorSet) -> list[pb.FactorDifference]:
    return [item async for item in client.diff_factor_sets(old.name, new.name)]


def nameless(factors: dict[str, pb.Factor]) -> list[pb.Factor]:
    for item in factors.values():
        item.ClearField("name")
    return list(factors.values())


def set_name_of(item: pb.Factor) -> str:
    return item.name.rpartition("/factors/")[0]
