"""Searching factors through the client: text, source, region, year and unit, page by page, and quickly."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from vcci.v1 import factor_service_pb2 as pb
from vcci_client import AsyncClient
from vcci_client.errors import InvalidRequest
from vcci_server.storage.factors import FIRST
from vcci_server.storage.pool import Pool
from vcci_server.storage.queries import QUERIES

from tests.server.factor_service import FactorService, factor, import_set, served

FACTORS = (
    factor(),
    factor(region="GB", year=2024),
    factor(code="biodiesel", display_name="Biodiesel from waste oil"),
    factor(source="grid", code="electricity", display_name="Electricity, average", unit="kWh", region="DE"),
    factor(source="grid", code="electricity", display_name="Electricity, average", unit="MWh", region="FR"),
    factor(source="heat", code="steam", display_name="Steam (100 %)", unit="GJ"),
    factor(source="naics", code="331110", display_name="Iron and Steel Mills", unit="USD", region="US", year=2022),
    factor(source="naics", code="331_10", display_name="Steel, EUR", unit="EUR", year=2022),
)


@pytest.fixture
async def service(pool: Pool, database: str) -> AsyncIterator[FactorService]:
    async with served(pool, database) as service:
        yield service


@pytest.fixture
async def client(service: FactorService) -> AsyncClient:
    client = await service.client()
    await import_set(client, *FACTORS, activate=True)
    return client


async def _found(client: AsyncClient, **search: Any) -> list[tuple[str, str, int]]:
    return [(item.code, item.region, item.year) async for item in client.list_factors(**search)]


DIESEL, DIESEL_GB, BIODIESEL = ("diesel", "", 2025), ("diesel", "GB", 2024), ("biodiesel", "", 2025)
GERMAN, FRENCH, STEAM = ("electricity", "DE", 2025), ("electricity", "FR", 2025), ("steam", "", 2025)
MILLS, STEEL = ("331110", "US", 2022), ("331_10", "", 2022)
ALL = [BIODIESEL, DIESEL, DIESEL_GB, GERMAN, FRENCH, STEAM, MILLS, STEEL]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ({}, ALL),
        ({"text": "diesel"}, [BIODIESEL, DIESEL, DIESEL_GB]),
        ({"text": "DIESEL Oil"}, [BIODIESEL]),
        ({"text": "oil diesel"}, [BIODIESEL]),
        ({"text": "fuel:diesel"}, [DIESEL, DIESEL_GB]),
        ({"text": "  steel \t mills "}, [MILLS]),
        ({"text": "331_10"}, [STEEL]),
        ({"text": "%"}, [STEAM]),
        ({"text": "100 %)"}, [STEAM]),
        ({"text": "nothing"}, []),
        ({"text": "\\"}, []),
        ({"source": "grid"}, [GERMAN, FRENCH]),
        ({"source": "gri"}, []),
        ({"region": "DE"}, [GERMAN]),
        ({"region": "deu"}, [GERMAN]),
        ({"region": ""}, [BIODIESEL, DIESEL, STEAM, STEEL]),
        ({"region": "ZA"}, []),
        ({"year": 2022}, [MILLS, STEEL]),
        ({"year": 1999}, []),
        ({"unit": "kWh"}, [GERMAN, FRENCH, STEAM]),
        ({"unit": "MJ"}, [GERMAN, FRENCH, STEAM]),
        ({"unit": "m3"}, [BIODIESEL, DIESEL, DIESEL_GB]),
        ({"unit": "USD"}, [MILLS]),
        ({"unit": "kg"}, []),
        ({"unit": "kWh", "region": "FR", "source": "grid", "text": "average", "year": 2025}, [FRENCH]),
        ({"unit": "kWh", "region": "FR", "year": 2024}, []),
    ],
    ids=str,
)
async def test_factors_are_found(
    client: AsyncClient, search: dict[str, Any], found: list[tuple[str, str, int]]
) -> None:
    assert sorted(await _found(client, **search)) == sorted(found)


async def test_pages_of_a_search_follow_each_other_in_order(client: AsyncClient) -> None:
    async def page(token: str = "") -> pb.ListFactorsResponse:
        request = pb.ListFactorsRequest(text="diesel", unit="litre", page_size=1, page_token=token)
        return await client.connection.call(client.connection.factors.ListFactors, request)

    found: list[tuple[str, str, int]] = []
    token = ""
    while not found or token:
        answer = await page(token)
        found += [(item.code, item.region, item.year) for item in answer.factors]
        token = answer.next_page_token
    assert found == [BIODIESEL, DIESEL, DIESEL_GB]
    assert found == await _found(client, text="diesel", unit="litre")


async def test_a_set_that_is_not_active_can_be_searched(client: AsyncClient) -> None:
    other = await import_set(client, factor(code="kerosene", unit="kg"))
    assert await _found(client, factor_set=other.name, unit="tonne") == [("kerosene", "", 2025)]
    assert await _found(client, text="kerosene") == []


@pytest.mark.parametrize(
    ("search", "field", "reason"),
    [
        ({"region": "Germany"}, "region", "MALFORMED_VALUE"),
        ({"region": "UK"}, "region", "MALFORMED_VALUE"),
        ({"year": -1}, "year", "OUT_OF_RANGE"),
        ({"year": 25}, "year", "OUT_OF_RANGE"),
        ({"unit": "bananas"}, "unit", "UNKNOWN_UNIT"),
        ({"text": "x" * 257}, "text", "LIMIT_EXCEEDED"),
        ({"source": "a\0"}, "source", "MALFORMED_VALUE"),
        ({"factor_set": "sets/1"}, "factor_set", "MALFORMED_VALUE"),
    ],
)
async def test_a_search_that_cannot_be_answered_names_the_field(
    client: AsyncClient, search: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await _found(client, **search)
    assert (refused.value.reason, [problem.field for problem in refused.value.problems]) == (reason, [field])


async def test_the_token_of_another_search_is_refused(client: AsyncClient) -> None:
    call = client.connection.factors.ListFactors
    first = await client.connection.call(call, pb.ListFactorsRequest(page_size=1, unit="litre"))
    with pytest.raises(InvalidRequest) as refused:
        await client.connection.call(call, pb.ListFactorsRequest(page_token=first.next_page_token, unit="kWh"))
    assert refused.value.reason == "INVALID_TOKEN"


@pytest.mark.parametrize("source", ["", "fuel"])
async def test_a_page_is_read_by_the_index_in_its_order(service: FactorService, source: str) -> None:
    tenant = "a tenant with many factors"
    client = await service.client(tenant)
    factors = [factor(code=f"c{number}") for number in range(20_000)]
    made = await import_set(client, *factors)
    await service.pool.execute("ANALYZE emission_factors")
    set_id = int(made.name.rpartition("/")[2])
    arguments: tuple[object, ...] = (await service.tenant_id(tenant), set_id, *FIRST, source, [], None, 0, None, 101)
    plan = await service.pool.fetch(f"EXPLAIN {QUERIES['list_factors']}", *arguments)
    text = "\n".join(row[0] for row in plan)
    assert "Index Scan using emission_factors_tenant_id_factor_set_id_source" in text
    assert "Sort" not in text
