"""PriceService on real servers: sets of every form, what is calculated with them, and everything wrong."""

import csv
import io
from collections.abc import AsyncIterator, Iterator
from importlib.resources import files
from uuid import uuid4

import asyncpg
import grpc
import pytest
from google.type.date_pb2 import Date
from vcci.v1 import factor_service_pb2 as factor_pb
from vcci.v1 import price_service_pb2 as pb
from vcci.v1.activity_pb2 import METHOD_SPEND_BASED, Activity
from vcci.v1.emission_pb2 import (
    NOTICE_CURRENCY_CONVERTED,
    NOTICE_DEFLATED,
    NOTICE_EARLIER_FACTOR_YEAR,
    NOTICE_NOT_DEFLATED,
    NOTICE_OTHER_REGION_FACTOR,
    Emission,
)
from vcci_client import AsyncClient
from vcci_client.errors import InvalidRequest, NotFound, WrongState
from vcci_server.storage import tenants
from vcci_server.storage.pool import Pool

from tests.prices import deactivate_all, index, rate
from tests.server_process import ServerProcess, running_server
from tests.waiting import until

STEEL = 0.787  # kg CO2e per USD of 2022: EPA v1.3 with margins, NAICS 331110
OF_FACTORS = {NOTICE_EARLIER_FACTOR_YEAR, NOTICE_OTHER_REGION_FACTOR}
LINES = (
    rate("USD", 2023, 1.0813),
    rate("USD", 2023, 1.0706, month=3),
    rate("GBP", 2023, 0.86979),
    index("USD", 2022, 292.655),
    index("USD", 2023, 304.702),
)


@pytest.fixture(scope="module")
def server(database: str) -> Iterator[ServerProcess]:
    """A server on the module's database."""
    with running_server(env={"VCCI_DATABASE_URL": database}) as process:
        yield process


@pytest.fixture
async def tenant(pool: Pool) -> str:
    """The name of a tenant of the test's own."""
    name = uuid4().hex
    await tenants.ensure_tenant(pool, name)
    return name


@pytest.fixture
async def client(server: ServerProcess, tenant: str) -> AsyncIterator[AsyncClient]:
    """A client of the tenant, which has the starter factors and no prices."""
    spec = factor_pb.FactorSetSpec(display_name="Starter", format=factor_pb.FACTOR_FORMAT_STARTER, activate=True)
    async with AsyncClient(server.listening, server.token(tenant)) as client:
        await client.import_factor_set(spec)
        yield client


async def imported(client: AsyncClient, *lines: pb.Price, **spec: object) -> pb.PriceSet:
    """Import lines and activate the set."""
    fields = {"display_name": "A test", "activate": True} | spec
    return await client.import_price_set(pb.PriceSetSpec(**fields), lines)  # type: ignore[arg-type]


async def calculated(client: AsyncClient, quantity: float, unit: str, year: int = 2023, month: int = 7) -> Emission:
    """Calculate some steel by spend."""
    activity = Activity(
        supplier_code="S1",
        category=1,  # type: ignore[arg-type]
        method=METHOD_SPEND_BASED,
        quantity=quantity,
        unit=unit,
        factor="naics:331110",
        reporting_period=Date(year=year, month=month, day=1),
    )
    return (await client.calculate([activity])).emissions[0]


def told(emission: Emission) -> set[int]:
    """What is told of the money."""
    return {int(notice) for notice in emission.notices} - OF_FACTORS


# What is calculated


async def test_spend_is_converted_and_deflated_by_the_active_set_and_told(client: AsyncClient) -> None:
    await imported(client, *LINES)
    pounds = await calculated(client, 1_000, "GBP")
    amount = 1_000 * 1.0813 / 0.86979 * 292.655 / 304.702
    assert pounds.amount == pytest.approx(amount, rel=1e-12)
    assert pounds.estimate.kg_co2e == pytest.approx(amount * STEEL, rel=1e-12)
    assert told(pounds) == {NOTICE_CURRENCY_CONVERTED, NOTICE_DEFLATED}
    march = await calculated(client, 1_000, "EUR", month=3)
    assert march.amount == pytest.approx(1_000 * 1.0706 * 292.655 / 304.702, rel=1e-12)


async def test_what_is_recalled_is_as_what_was_calculated(client: AsyncClient) -> None:
    await imported(client, *LINES)
    once, again = [await calculated(client, 7.5, "GBP") for _ in range(2)]
    assert once == again
    await imported(client, rate("GBP", 2023, 0.5), *LINES[:2], *LINES[3:])
    assert (await calculated(client, 7.5, "GBP")).amount > once.amount


async def test_where_currency_and_year_agree_a_price_set_changes_no_bit(client: AsyncClient) -> None:
    before = await calculated(client, 1_234.56, "USD", 2022)
    await imported(client, *LINES)
    assert await calculated(client, 1_234.56, "USD", 2022) == before
    assert told(before) == set()


async def test_without_an_active_set_another_year_is_told_and_another_currency_refused(client: AsyncClient) -> None:
    dollars = await calculated(client, 10, "USD")
    assert (dollars.estimate.kg_co2e, told(dollars)) == (10 * STEEL, {NOTICE_NOT_DEFLATED})
    with pytest.raises(InvalidRequest) as refused:
        await calculated(client, 10, "EUR")
    assert refused.value.reason == "NO_EXCHANGE_RATE"
    assert "a price set that is active and has a rate of EUR for 2023" in str(refused.value)


@pytest.mark.parametrize(
    ("unit", "year", "reason", "expected"),
    [
        (
            "SEK",
            2023,
            "NO_EXCHANGE_RATE",
            "SEK to USD for 2023; the active price set has SEK for no year; USD for 2023",
        ),
        ("EUR", 2031, "NO_EXCHANGE_RATE", "EUR to USD for 2031; the active price set has rates per EUR; USD for 2023"),
        ("USD", 2019, "NO_PRICE_INDEX", "USD for 2019 and 2022; the active price set has USD for 2022 to 2023"),
    ],
)
async def test_a_missing_rate_or_index_is_refused_with_what_the_set_has(
    client: AsyncClient, unit: str, year: int, reason: str, expected: str
) -> None:
    await imported(client, *LINES)
    with pytest.raises(InvalidRequest) as refused:
        await calculated(client, 10, unit, year)
    assert (refused.value.reason, [problem.field for problem in refused.value.problems]) == (
        *(reason, ["activities[0].unit"]),
    )
    assert expected in str(refused.value)


async def test_a_deactivated_set_is_not_used_any_more(client: AsyncClient) -> None:
    made = await imported(client, *LINES)
    ended = await client.deactivate_price_set(made.name)
    assert not ended.active
    assert told(await calculated(client, 10, "USD")) == {NOTICE_NOT_DEFLATED}
    await client.activate_price_set(made.name)
    other = await imported(client, LINES[0], activate=False)
    await client.deactivate_price_set(other.name)
    assert told(await calculated(client, 10, "USD")) == {NOTICE_DEFLATED}, "another set was active"


async def test_an_activation_reaches_another_server_process_within_a_second(
    client: AsyncClient, database: str, tenant: str
) -> None:
    with running_server(env={"VCCI_DATABASE_URL": database}) as other:
        async with AsyncClient(other.listening, other.token(tenant)) as elsewhere:
            assert told(await calculated(elsewhere, 10, "USD")) == {NOTICE_NOT_DEFLATED}
            made = await imported(client, *LINES)

            async def deflates() -> bool:
                return told(await calculated(elsewhere, 10, "USD")) == {NOTICE_DEFLATED}

            await until(deflates, timeout_s=1)
            await client.deactivate_price_set(made.name)

            async def deflates_no_more() -> bool:
                return not await deflates()

            await until(deflates_no_more, timeout_s=1)


async def test_segments_name_the_price_set(client: AsyncClient, pool: Pool, tenant: str) -> None:
    made = await imported(client, *LINES)
    activity = Activity(
        supplier_code="S1",
        category=1,  # type: ignore[arg-type]
        quantity=1,
        unit="GBP",
        factor="naics:331110",
        reporting_period=Date(year=2023, month=7, day=1),
    )
    await client.calculate([activity], keep=True, request_id=uuid4().hex)
    stored = await pool.fetchval(
        "SELECT price_set_id FROM emission_segments JOIN tenants USING (tenant_id) WHERE name = $1", tenant
    )
    assert f"priceSets/{stored}" == made.name


# Sets


async def test_a_set_is_listed_as_it_was_given(client: AsyncClient) -> None:
    made = await imported(client, *LINES, display_name="Mine")
    assert (made.display_name, made.base_currency, made.rate_count, made.index_count, made.active) == (
        *("Mine", "EUR", 3, 2, True),
    )
    listed = [price async for price in client.list_prices()]
    assert sorted(listed, key=str) == sorted(LINES, key=str)
    assert [price.currency for price in listed] == ["GBP", "USD", "USD", "USD", "USD"]
    assert [price.month async for price in client.list_prices(made.name, currency="GBP")] == [0]
    assert [item async for item in client.list_price_sets()] == [made]


async def test_the_same_contents_are_the_same_set(client: AsyncClient) -> None:
    made = await imported(client, *LINES)
    again = await imported(client, *reversed(LINES), display_name="Another name")
    assert again == made
    assert (await imported(client, *LINES[1:])).name != made.name


async def test_a_file_replaces_lines_of_its_base(client: AsyncClient) -> None:
    base = await imported(client, *LINES)
    made = await imported(client, rate("GBP", 2023, 0.9), rate("SEK", 2023, 11.5), base_price_set=base.name)
    values = {
        (line.currency, line.month): line.value async for line in client.list_prices(made.name) if line.base_currency
    }
    assert values == {("GBP", 0): 0.9, ("SEK", 0): 11.5, ("USD", 0): 1.0813, ("USD", 3): 1.0706}
    with pytest.raises(InvalidRequest) as refused:
        await imported(client, rate("GBP", 2023, 0.8, base="USD"), base_price_set=base.name)
    assert [problem.field for problem in refused.value.problems] == ["spec.base_price_set"]


async def test_pages_hold_together(client: AsyncClient, server: ServerProcess, tenant: str) -> None:
    lines = [rate("USD", year, 1.1) for year in range(1900, 2150)]
    await imported(client, *lines)
    page = await client.connection.call(client.connection.prices.ListPrices, pb.ListPricesRequest(page_size=100))
    assert [line.year for line in page.prices] == list(range(1900, 2000))
    await imported(client, LINES[0])  # another one is active now
    request = pb.ListPricesRequest(page_size=100, page_token=page.next_page_token)
    page = await client.connection.call(client.connection.prices.ListPrices, request)
    assert [line.year for line in page.prices] == list(range(2000, 2100))


async def test_the_starter_set_converts_every_year_since_2015(client: AsyncClient) -> None:
    spec = pb.PriceSetSpec(display_name="Starter", format=pb.PRICE_FORMAT_STARTER, activate=True)
    made = await client.import_price_set(spec)
    text = (files("vcci_server") / "data" / "starter_prices.csv").read_text()
    lines = list(csv.DictReader(io.StringIO(text)))
    assert made.rate_count + made.index_count == len(lines)
    assert all(line["source_note"] for line in lines)
    for year in range(2015, 2027):
        for unit in ("USD", "EUR", "GBP", "CHF", "JPY", "CNY", "SEK", "INR"):
            assert (await calculated(client, 1_000, unit, year)).estimate.kg_co2e > 0


async def test_a_new_tenant_has_the_starter_prices_active(server: ServerProcess) -> None:
    async with AsyncClient(server.listening, server.token()) as client:
        (made,) = [item async for item in client.list_price_sets()]
        assert (made.display_name, made.active) == ("Starter prices", True)
        assert told(await calculated(client, 10, "EUR", 2024)) == {NOTICE_CURRENCY_CONVERTED, NOTICE_DEFLATED}


# What is wrong


async def test_the_history_tells_who_activated_and_deactivated_what(
    server: ServerProcess, client: AsyncClient, tenant: str, pool: Pool
) -> None:
    first, second = await imported(client, *LINES), await imported(client, LINES[0], activate=False)
    await client.activate_price_set(first.name)  # it is already
    await client.deactivate_price_set(second.name)  # it is not
    async with AsyncClient(server.listening, server.token(tenant, subject="auditor")) as auditor:
        await auditor.activate_price_set(second.name)
        await auditor.deactivate_price_set(second.name)
    history = [item async for item in client.list_price_set_activations()]
    assert [(item.price_set, item.previous_price_set, item.subject == "auditor") for item in history] == [
        ("", second.name, True),
        (second.name, first.name, True),
        (first.name, "", False),
    ]
    assert len({item.request_id for item in history}) == 3
    for change in ("UPDATE price_set_activations SET subject = ''", "DELETE FROM price_set_activations"):
        with pytest.raises(asyncpg.RestrictViolationError, match="only ever added"):
            await pool.execute(change)


async def test_pages_of_the_history_follow_each_other(client: AsyncClient) -> None:
    made = [await imported(client, rate("USD", 2023, 1.0 + number)) for number in range(3)]
    call = client.connection.prices.ListPriceSetActivations
    first = await client.connection.call(call, pb.ListPriceSetActivationsRequest(page_size=2))
    second = await client.connection.call(
        call, pb.ListPriceSetActivationsRequest(page_size=2, page_token=first.next_page_token)
    )
    assert [item.price_set for item in (*first.activations, *second.activations)] == [each.name for each in made[::-1]]
    assert not second.next_page_token


@pytest.mark.parametrize(
    ("lines", "field"),
    [
        ([rate("XXY", 2023, 1.0)], "prices[0].currency"),
        ([rate("USD", 2023, 0.0)], "prices[0].value"),
        ([rate("USD", 2023, float("nan"))], "prices[0].value"),
        ([rate("USD", 23, 1.0)], "prices[0].year"),
        ([rate("USD", 2023, 1.0, month=13)], "prices[0].month"),
        ([rate("USD", 2023, 1.0, base="")], "prices[0].base_currency"),
        ([rate("EUR", 2023, 1.0)], "prices[0].currency"),
        ([rate("USD", 2023, 1.0), rate("GBP", 2023, 1.0, base="CHF")], "prices[1].base_currency"),
        ([rate("USD", 2023, 1.0), rate("USD", 2023, 1.1)], "prices[1].currency"),
        (
            [pb.Price(currency="USD", base_currency="EUR", year=2023, value=1.0, source_note="A")],
            "prices[0].kind",
        ),
        ([pb.Price(kind=pb.PRICE_KIND_INDEX, currency="USD", year=2023, value=1.0)], "prices[0].source_note"),
        (
            [pb.Price(kind=pb.PRICE_KIND_INDEX, currency="USD", year=2023, month=2, value=1.0, source_note="A")],
            "prices[0].month",
        ),
    ],
)
async def test_a_wrong_line_is_named_and_nothing_is_stored(
    client: AsyncClient, lines: list[pb.Price], field: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await imported(client, *lines)
    assert refused.value.reason == "INVALID_PRICE_FILE"
    assert [problem.field for problem in refused.value.problems] == [field]
    assert [item async for item in client.list_price_sets()] == []


@pytest.mark.parametrize(
    ("spec", "lines", "reason", "field"),
    [
        ({"display_name": ""}, LINES, "REQUIRED_FIELD", "spec.display_name"),
        ({"format": 9}, (), "OUT_OF_RANGE", "spec.format"),
        ({"format": pb.PRICE_FORMAT_STARTER}, LINES, "MALFORMED_VALUE", "prices"),
        ({"format": pb.PRICE_FORMAT_VCCI_CSV}, LINES, "MALFORMED_VALUE", "prices"),
        ({}, (), "REQUIRED_FIELD", "prices"),
        ({"base_price_set": "factorSets/1"}, LINES, "MALFORMED_VALUE", "spec.base_price_set"),
    ],
)
async def test_a_wrong_import_is_refused(
    client: AsyncClient, spec: dict[str, object], lines: tuple[pb.Price, ...], reason: str, field: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await imported(client, *lines, **spec)
    assert (refused.value.reason, [problem.field for problem in refused.value.problems]) == (reason, [field])


async def test_sets_of_other_tenants_and_sets_that_do_not_exist_are_not_found(
    client: AsyncClient, server: ServerProcess
) -> None:
    async with AsyncClient(server.listening, server.token()) as other:
        (foreign,) = [item async for item in other.list_price_sets()]
    for name in (foreign.name, "priceSets/999999"):
        for call in (client.activate_price_set, client.deactivate_price_set):
            with pytest.raises(NotFound):
                await call(name)
        with pytest.raises(NotFound):
            await anext(client.list_prices(name))
    with pytest.raises(InvalidRequest):
        await client.activate_price_set("priceSets/x")


async def test_the_prices_of_no_active_set_cannot_be_listed(client: AsyncClient) -> None:
    await deactivate_all(client)
    with pytest.raises(WrongState) as refused:
        await anext(client.list_prices())
    assert refused.value.code is grpc.StatusCode.FAILED_PRECONDITION
    assert refused.value.reason == "NO_ACTIVE_PRICE_SET"


def test_the_tests_call_every_rpc_of_the_contract() -> None:
    service = pb.DESCRIPTOR.services_by_name["PriceService"]
    assert [method.name for method in service.methods] == [
        *("ListPrices", "ImportPriceSet", "ListPriceSets", "ActivatePriceSet", "DeactivatePriceSet"),
        "ListPriceSetActivations",
    ]
