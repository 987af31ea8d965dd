"""Which set is active, since when, and who activated it, through the client."""

import asyncio

import asyncpg
import pytest
from vcci.v1 import factor_service_pb2 as pb
from vcci_client import AsyncClient
from vcci_client.errors import InvalidRequest, ServerError
from vcci_server.storage.pool import Pool

from tests.server.factor_service import FactorService, factor, import_set
from tests.server.factors.versions import (
    DIESEL,
    PETROL,
    STEEL,
    all_factors,
    all_sets,
    set_name_of,
)


async def test_an_update_is_in_use_at_once_when_it_activates(
    service: FactorService,
) -> None:
    tenant = "a tenant who activates"
    client, tenant_id = await service.client(tenant), await service.tenant_id(tenant)
    await import_set(client, DIESEL, PETROL, STEEL, activate=True)
    changed = await client.update_factor(
        pb.Factor(name=(await all_factors(client))["petrol"].name, kg_co2e=2.2), activate=True
    )
    table = service.cache.peek(tenant_id)
    assert table is not None
    assert f"factorSets/{table.set_id}" == set_name_of(changed)
    assert sorted(table.kg_co2e.tolist()) == [0.8, 2.2, 2.5]


async def test_an_update_of_a_set_that_is_not_active_any_more_is_not_activated(
    client: AsyncClient, base: pb.FactorSet
) -> None:
    before = await all_factors(client)
    theirs = await client.update_factor(pb.Factor(name=before["petrol"].name, kg_co2e=2.2), activate=True)
    ours = pb.Factor(name=before["diesel"].name, kg_co2e=2.6)
    with pytest.raises(ServerError) as refused:
        await client.update_factor(ours, activate=True)
    assert refused.value.reason == "STALE_FACTOR_SET"
    assert set_name_of(theirs) in str(refused.value)
    assert len(await all_sets(client)) == 2
    await client.update_factor(ours)
    rebased = await client.update_factor(
        pb.Factor(name=(await all_factors(client))["diesel"].name, kg_co2e=2.6), activate=True
    )
    now = await all_factors(client)
    assert (now["diesel"].kg_co2e, now["petrol"].kg_co2e) == (2.6, 2.2)
    assert (await client.get_factor_set(set_name_of(rebased))).version == 3


async def test_of_updates_at_once_one_is_activated(client: AsyncClient, base: pb.FactorSet) -> None:
    name = (await all_factors(client))["diesel"].name
    updates = (client.update_factor(pb.Factor(name=name, kg_co2e=3.0 + n), activate=True) for n in range(6))
    results = await asyncio.gather(*updates, return_exceptions=True)
    done = [result for result in results if isinstance(result, pb.Factor)]
    assert len(done) == 1
    assert {result.reason for result in results if isinstance(result, ServerError)} == {"STALE_FACTOR_SET"}
    assert [item.factor_set async for item in client.list_factor_set_activations()] == [set_name_of(done[0]), base.name]


async def test_the_history_tells_who_activated_what(service: FactorService) -> None:
    tenant = "a tenant with a history"
    first_client, second_client = [await service.client(tenant, subject) for subject in ("analyst", "auditor")]
    first = await import_set(first_client, DIESEL, activate=True)
    second = await import_set(first_client, PETROL)
    await second_client.activate_factor_set(second.name)
    await second_client.activate_factor_set(second.name)
    await first_client.activate_factor_set(first.name)
    history = [item async for item in first_client.list_factor_set_activations()]
    assert [(item.subject, item.factor_set, item.previous_factor_set) for item in history] == [
        ("analyst", first.name, second.name),
        ("auditor", second.name, first.name),
        ("analyst", first.name, ""),
    ]
    assert len({item.request_id for item in history}) == 3
    assert [item.activate_time.ToNanoseconds() for item in history] == sorted(
        (item.activate_time.ToNanoseconds() for item in history), reverse=True
    )
    other = await service.client()
    assert [item async for item in other.list_factor_set_activations()] == []


async def test_pages_of_the_history_follow_each_other(client: AsyncClient) -> None:
    made = [await import_set(client, factor(kg_co2e=1.0 + number), activate=True) for number in range(5)]
    call = client.connection.factors.ListFactorSetActivations
    first = await client.connection.call(call, pb.ListFactorSetActivationsRequest(page_size=3))
    second = await client.connection.call(
        call, pb.ListFactorSetActivationsRequest(page_size=3, page_token=first.next_page_token)
    )
    assert [item.factor_set for item in (*first.activations, *second.activations)] == [each.name for each in made[::-1]]
    assert not second.next_page_token


async def test_activations_at_once_are_a_chain(client: AsyncClient) -> None:
    sets = [await import_set(client, factor(kg_co2e=1.0 + number)) for number in range(6)]
    await asyncio.gather(*(client.activate_factor_set(each.name) for each in sets))
    history = [item async for item in client.list_factor_set_activations()]
    assert len(history) == 6
    assert [item.previous_factor_set for item in history] == [*(item.factor_set for item in history[1:]), ""]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE factor_set_activations SET subject = 'nobody'",
        "DELETE FROM factor_set_activations",
        "TRUNCATE factor_set_activations",
    ],
)
async def test_the_history_cannot_be_changed(
    client: AsyncClient, base: pb.FactorSet, pool: Pool, statement: str
) -> None:
    with pytest.raises(asyncpg.RestrictViolationError, match="only ever added"):
        await pool.execute(statement)
    assert len([item async for item in client.list_factor_set_activations()]) == 1


async def test_an_import_that_fails_records_no_activation(client: AsyncClient, base: pb.FactorSet) -> None:
    with pytest.raises(InvalidRequest):
        await import_set(client, DIESEL, factor(unit="bananas", code="x"), activate=True)
    assert len([item async for item in client.list_factor_set_activations()]) == 1
