"""Suppliers' figures as of a run are those of a tenant whose activities were ingested under the run's factors."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from vcci.v1 import factor_service_pb2 as factor_pb
from vcci.v1.supplier_service_pb2 import ListSuppliersRequest, Supplier
from vcci_client import AsyncClient
from vcci_client.errors import InvalidRequest

from tests.recalculations import OLD, ROWS, UG_PER_KG, factor, recalculated, rows_of, upload
from tests.refusals import refusal
from tests.server_process import ServerProcess
from tests.waiting import until

# Unlike NEW it has every factor, so that what is ingested under it is what a run makes.
DEARER = (
    factor("steel", 3.0, "kg"),
    factor("power", 0.5, "kWh", region="DE"),
    factor("power", 0.125, "kWh", region="FR"),
    factor("power", 0.25, "kWh"),
    factor("spend", 1.2, "USD", price_year=0),
    factor("gone", 90.0, "kg"),
)
FIGURES = (
    "code",
    "emission_count",
    "kg_co2e",
    "carbon_intensity",
    "currency",
    "spend",
    "data_quality",
    "primary_share",
)
SUPPLIERS = 40


@dataclass(frozen=True, slots=True)
class Restated:
    """A tenant with a run under dearer factors, and one that had these from the start."""

    client: AsyncClient
    run: str
    ingested_so: AsyncClient


async def _tenant(server: ServerProcess, factors: Sequence[factor_pb.Factor]) -> str:
    tenant = await server.new_tenant()
    async with AsyncClient(server.listening, server.token(tenant)) as client:
        await client.import_factor_set(factor_pb.FactorSetSpec(display_name="active", activate=True), factors)
        for seed in (1, 2):
            await upload(client, ROWS, seed=seed, suppliers=SUPPLIERS)
        await client.batch_upsert_suppliers([Supplier(code="idle", country="DE")])
        await _counted(client)
    return tenant


async def _dearer_run(client: AsyncClient, **fields: Any) -> str:
    dearer = await client.import_factor_set(factor_pb.FactorSetSpec(display_name="dearer"), DEARER)
    return (await recalculated(client, factor_set=dearer.name, **fields)).name


async def _prepare(server: ServerProcess) -> tuple[str, str, str]:
    tenant, other = [await _tenant(server, factors) for factors in (OLD, DEARER)]
    async with AsyncClient(server.listening, server.token(tenant)) as client:
        return tenant, await _dearer_run(client), other


@pytest.fixture(scope="module")
def prepared(server: ServerProcess) -> tuple[str, str, str]:
    """The tenants of Restated and the run, which the tests leave as they are."""
    return asyncio.run(_prepare(server))


async def _counted(client: AsyncClient) -> None:
    """Wait until figures count all that is committed."""

    async def is_counted() -> bool:
        return (await anext(client.list_supplier_pages())).rows_not_counted == 0

    await until(is_counted, 30)


async def figures(client: AsyncClient, chosen: str = "", **asked: Any) -> list[Supplier]:
    return [of async for of in client.list_suppliers(chosen, fields=FIGURES, **asked)]


@pytest.fixture
async def restated(server: ServerProcess, prepared: tuple[str, str, str]) -> AsyncIterator[Restated]:
    tenant, run, other = prepared
    tokens = [server.token(name) for name in (tenant, other)]
    async with AsyncClient(server.listening, tokens[0]) as client, AsyncClient(server.listening, tokens[1]) as twin:
        yield Restated(client, run, twin)


async def test_they_are_those_of_an_inventory_ingested_so(restated: Restated) -> None:
    client = restated.client
    found, expected = await figures(client, as_of=restated.run), await figures(restated.ingested_so)
    assert found == expected
    assert len(found) == SUPPLIERS + 1
    ingested = await figures(client)
    assert ingested != found
    assert [of.emission_count for of in ingested] == [of.emission_count for of in found]
    assert all(of.carbon_intensity == pytest.approx(1.2, rel=1e-6) for of in found if of.HasField("carbon_intensity"))
    for of in found[:3]:
        assert await client.get_supplier(f"suppliers/{of.code}", fields=FIGURES, as_of=restated.run) == of
        whole = await client.get_supplier(f"suppliers/{of.code}", as_of=restated.run)
        assert (whole.kg_co2e, bool(whole.etag)) == (of.kg_co2e, True)


LISTS: list[dict[str, Any]] = [
    {"order_by": "kg_co2e desc"},
    {"order_by": "kg_co2e"},
    {"order_by": "carbon_intensity desc"},
    {"chosen": "kg_co2e > 12000"},
    {"chosen": "kg_co2e <= 12000 OR emission_count < 140", "order_by": "kg_co2e desc"},
    {"chosen": "NOT carbon_intensity > 0 AND code = S*"},
    {"chosen": "currency = USD AND data_quality >= 4.9", "order_by": "carbon_intensity"},
    {"chosen": "currency != U*"},
    {"chosen": "currency:sd AND primary_share > 0.001"},
    {"chosen": "spend:* AND kg_co2e != 0"},
    {"chosen": "currency:*", "order_by": "kg_co2e"},
    {"chosen": "country = FR AND kg_co2e > 1"},
]


async def test_lists_are_filtered_ordered_and_paged_by_them(restated: Restated) -> None:
    told_apart = 0
    for asked in LISTS:
        for page_size in (7, 1_000):
            found = await figures(restated.client, **asked, as_of=restated.run, page_size=page_size)
            assert found == await figures(restated.ingested_so, **asked), asked
        told_apart += [of.code for of in found] != [of.code for of in await figures(restated.client, **asked)]
    assert told_apart >= 3  # as ingested they are others, or in another order


async def test_what_comes_later_counts_and_what_is_abandoned_does_not(client: AsyncClient) -> None:
    await client.import_factor_set(factor_pb.FactorSetSpec(display_name="active", activate=True), OLD)
    one, _ = [await upload(client, 500, seed=seed, suppliers=SUPPLIERS) for seed in (1, 2)]
    run = await _dearer_run(client)
    await upload(client, 500, seed=3, suppliers=SUPPLIERS)
    await client.abandon_upload(one)
    await _counted(client)
    by_supplier: dict[str, int] = defaultdict(int)
    for row in (await rows_of(client, as_of=run)).values():
        by_supplier[row.supplier] += row.ug
    found = {of.code: of.kg_co2e for of in await figures(client, as_of=run)}
    assert found == pytest.approx({code: ug / UG_PER_KG for code, ug in by_supplier.items()}, rel=1e-12)


async def test_a_slice_changes_its_suppliers_only(restated: Restated) -> None:
    run = await _dearer_run(restated.client, filter={"supplier_codes": ["S00003"]})
    ingested, found = await figures(restated.client), await figures(restated.client, as_of=run)
    ((changed, _),) = [(of, other) for of, other in zip(found, ingested, strict=True) if of != other]
    assert changed.code == "S00003"
    assert changed in await figures(restated.ingested_so)


async def test_what_they_cannot_be_as_of_is_refused(restated: Restated, server: ServerProcess) -> None:
    client, run = restated.client, restated.run
    for name, code in (("run 1", grpc.StatusCode.INVALID_ARGUMENT), ("runs/999999", grpc.StatusCode.NOT_FOUND)):
        assert (await refusal(figures(client, as_of=name)))[0] == code
        assert (await refusal(client.get_supplier("suppliers/S00003", as_of=name)))[0] == code
    assert await refusal(client.get_supplier("suppliers/nobody", as_of=run)) == (
        grpc.StatusCode.NOT_FOUND,
        "NOT_FOUND",
    )
    (page, *_) = [page async for page in client.list_supplier_pages(page_size=5, as_of=run)]
    token = ListSuppliersRequest(page_size=5, page_token=page.next_page_token)
    with pytest.raises(InvalidRequest) as raised:
        await client.connection.call(client.connection.suppliers.ListSuppliers, token)
    assert [problem.field for problem in raised.value.problems] == ["page_token"]
    older = await recalculated(client)
    async with server.database() as db:
        await db.execute("UPDATE run_differences SET figures = NULL WHERE run_id = $1", int(older.name[5:]))
    expected = (grpc.StatusCode.FAILED_PRECONDITION, "RUN_WITHOUT_FIGURES")
    assert await refusal(figures(client, as_of=older.name)) == expected
