"""Versions of factor sets through the client: changing factors, comparing sets, activating them, and who did it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from vcci.v1 import factor_service_pb2 as pb
from vcci_client import AsyncClient
from vcci_client.errors import InvalidRequest, NotFound, ServerError
from vcci_server.importers import READERS, starter_factors
from vcci_server.storage.pool import Pool

from tests.server.factor_service import FactorService, factor, import_set, served

CHANGED, ADDED, REMOVED = (
    *(pb.FactorDifference.KIND_CHANGED, pb.FactorDifference.KIND_ADDED, pb.FactorDifference.KIND_REMOVED),
)
DIESEL, PETROL, STEEL = (
    factor(),
    factor(code="petrol", display_name="Petrol", kg_co2e=2.1),
    factor(source="naics", code="331110", display_name="Steel", unit="USD", kg_co2e=0.8, price_year=2022),
)


@pytest.fixture
async def service(pool: Pool, database: str) -> AsyncIterator[FactorService]:
    async with served(pool, database) as service:
        yield service


@pytest.fixture
async def client(service: FactorService) -> AsyncClient:
    return await service.client()


@pytest.fixture
async def base(client: AsyncClient) -> pb.FactorSet:
    return await import_set(client, DIESEL, PETROL, STEEL, activate=True)


async def _all(client: AsyncClient, set_name: str = "") -> dict[str, pb.Factor]:
    return {item.code: item async for item in client.list_factors(set_name)}


async def _sets(client: AsyncClient) -> list[pb.FactorSet]:
    return [item async for item in client.list_factor_sets()]


async def _diff(client: AsyncClient, old: pb.FactorSet, new: pb.FactorSet) -> list[pb.FactorDifference]:
    return [item async for item in client.diff_factor_sets(old.name, new.name)]


def _nameless(factors: dict[str, pb.Factor]) -> list[pb.Factor]:
    for item in factors.values():
        item.ClearField("name")
    return list(factors.values())


def _set_name(item: pb.Factor) -> str:
    return item.name.rpartition("/factors/")[0]


# UpdateFactor


async def test_an_update_makes_a_new_version_and_leaves_the_old_one(client: AsyncClient, base: pb.FactorSet) -> None:
    before = await _all(client)
    changed = await client.update_factor(pb.Factor(name=before["diesel"].name, kg_co2e=2.6))
    made = await client.get_factor_set(_set_name(changed))
    assert (made.parent, made.version, made.factor_count, made.active) == (base.name, 2, 3, False)
    assert (base.parent, base.version) == ("", 1)
    assert made.display_name == base.display_name
    assert await client.get_factor(changed.name) == changed
    after = await _all(client, made.name)
    assert (after["diesel"], after["diesel"].kg_co2e) == (changed, 2.6)
    assert await _all(client, base.name) == before
    before["diesel"].kg_co2e = 2.6
    assert _nameless(after) == _nameless(before)
    assert await _sets(client) == [made, base]


async def test_the_new_version_is_the_set_that_an_import_of_its_contents_gives(
    client: AsyncClient, base: pb.FactorSet
) -> None:
    changed = await client.update_factor(pb.Factor(name=(await _all(client))["diesel"].name, kg_co2e=2.6))
    made = await client.get_factor_set(_set_name(changed))
    assert await import_set(client, STEEL, factor(kg_co2e=2.6), PETROL) == made


async def test_the_starter_set_is_copied_whole(client: AsyncClient) -> None:
    spec = pb.FactorSetSpec(display_name="Starter", format=pb.FACTOR_FORMAT_STARTER, activate=True)
    await client.import_factor_set(spec)
    before = [item async for item in client.list_factors()]
    changed = await client.update_factor(pb.Factor(name=before[0].name, kg_co2e=7.0))
    after = [item async for item in client.list_factors(_set_name(changed))]
    assert len(after) == len(READERS["vcci_csv"](starter_factors()))
    made = await client.get_factor_set(_set_name(changed))
    assert await import_set(client, *after) == made
    assert [old.code for old, new in zip(before, after, strict=True) if old.kg_co2e != new.kg_co2e] == [before[0].code]


async def test_the_same_update_again_gives_the_same_set(client: AsyncClient, base: pb.FactorSet) -> None:
    update = pb.Factor(name=(await _all(client))["diesel"].name, kg_co2e=2.6)
    made = await asyncio.gather(*(client.update_factor(update, activate=True) for _ in range(4)))
    assert all(each == made[0] for each in made)
    assert len(await _sets(client)) == 2


async def test_an_update_that_changes_nothing_gives_the_set_itself(client: AsyncClient, base: pb.FactorSet) -> None:
    diesel = (await _all(client))["diesel"]
    assert await client.update_factor(diesel) == diesel
    assert await _sets(client) == [base]


async def test_a_change_taken_back_gives_the_first_set(client: AsyncClient, base: pb.FactorSet) -> None:
    diesel = (await _all(client))["diesel"]
    changed = await client.update_factor(pb.Factor(name=diesel.name, kg_co2e=2.6))
    changed.kg_co2e = diesel.kg_co2e
    assert await client.update_factor(changed) == diesel


async def test_the_mask_says_what_changes(client: AsyncClient, base: pb.FactorSet) -> None:
    name = (await _all(client))["diesel"].name
    given = pb.Factor(name=name, kg_co2e=9.0, source_note="Another table")
    changed = await client.update_factor(given, ["source_note", "gwp_set", "gases"])
    assert (changed.source_note, changed.kg_co2e) == ("Another table", 2.5)
    assert (changed.gwp_set, dict(changed.gases)) == ("", {})


async def test_an_asterisk_replaces_everything_but_the_key(client: AsyncClient, base: pb.FactorSet) -> None:
    name = (await _all(client))["diesel"].name
    given = pb.Factor(name=name, display_name="Gas oil", unit="kg", kg_co2e=3.0, source_note="A table")
    changed = await client.update_factor(given, "*")
    expected = factor(display_name="Gas oil", unit="kg", kg_co2e=3.0, gwp_set="", gsd2=1.05)
    expected.ClearField("gases")
    expected.name = changed.name
    assert changed == expected


@pytest.mark.parametrize(
    ("fields", "mask", "field", "reason"),
    [
        ({"unit": "bananas"}, [], "factor.unit", "MALFORMED_VALUE"),
        ({"kg_co2e": float("nan")}, [], "factor.kg_co2e", "MALFORMED_VALUE"),
        ({"gsd2": 0.5}, [], "factor.gsd2", "MALFORMED_VALUE"),
        ({"gases": {"CO2": float("inf")}}, [], "factor.gases", "MALFORMED_VALUE"),
        ({}, ["display_name"], "factor.display_name", "MALFORMED_VALUE"),
        ({}, ["*"], "factor.display_name", "MALFORMED_VALUE"),
        ({"region": "GB"}, [], "factor.region", "IMMUTABLE_FIELD"),
        ({"code": "petrol"}, ["code"], "factor.code", "IMMUTABLE_FIELD"),
        ({"year": 2024}, ["*"], "factor.year", "IMMUTABLE_FIELD"),
        ({}, ["source"], "factor.source", "IMMUTABLE_FIELD"),
        ({}, ["name"], "update_mask", "UNKNOWN_FIELD"),
        ({}, ["gases.CO2"], "update_mask", "UNKNOWN_FIELD"),
        ({}, ["colour"], "update_mask", "UNKNOWN_FIELD"),
    ],
)
async def test_a_wrong_update_names_the_field_and_changes_nothing(
    client: AsyncClient, base: pb.FactorSet, fields: dict[str, Any], mask: list[str], field: str, reason: str
) -> None:
    update = pb.Factor(name=(await _all(client))["diesel"].name, **fields)
    with pytest.raises(InvalidRequest) as refused:
        await client.update_factor(update, mask, activate=True)
    assert refused.value.reason == reason
    assert field in [problem.field for problem in refused.value.problems]
    assert await _sets(client) == [base]


async def test_a_name_that_is_too_long_is_refused(client: AsyncClient, base: pb.FactorSet) -> None:
    diesel = (await _all(client))["diesel"]
    with pytest.raises(InvalidRequest) as refused:
        await client.update_factor(diesel, set_display_name="x" * 257)
    assert [problem.field for problem in refused.value.problems] == ["set_display_name"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [("", "REQUIRED_FIELD"), ("factorSets/1", "MALFORMED_VALUE"), ("factorSets/x/factors/1", "MALFORMED_VALUE")],
)
async def test_a_malformed_name_is_refused(client: AsyncClient, name: str, reason: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await client.update_factor(pb.Factor(name=name, kg_co2e=1.0))
    assert (refused.value.reason, [problem.field for problem in refused.value.problems]) == (reason, ["factor.name"])


async def test_what_does_not_exist_cannot_be_updated(client: AsyncClient, base: pb.FactorSet) -> None:
    number = (await _all(client))["diesel"].name.rpartition("/")[2]
    for name in (f"{base.name}/factors/999999999", f"factorSets/999999999/factors/{number}"):
        with pytest.raises(NotFound):
            await client.update_factor(pb.Factor(name=name, kg_co2e=1.0))


# Activation with the update, and its record


async def test_an_update_is_in_use_at_once_when_it_activates(
    service: FactorService,
) -> None:
    tenant = "a tenant who activates"
    client, tenant_id = await service.client(tenant), await service.tenant_id(tenant)
    await import_set(client, DIESEL, PETROL, STEEL, activate=True)
    changed = await client.update_factor(
        pb.Factor(name=(await _all(client))["petrol"].name, kg_co2e=2.2), activate=True
    )
    table = service.cache.peek(tenant_id)
    assert table is not None
    assert f"factorSets/{table.set_id}" == _set_name(changed)
    assert sorted(table.kg_co2e.tolist()) == [0.8, 2.2, 2.5]


async def test_an_update_of_a_set_that_is_not_active_any_more_is_not_activated(
    client: AsyncClient, base: pb.FactorSet
) -> None:
    before = await _all(client)
    theirs = await client.update_factor(pb.Factor(name=before["petrol"].name, kg_co2e=2.2), activate=True)
    ours = pb.Factor(name=before["diesel"].name, kg_co2e=2.6)
    with pytest.raises(ServerError) as refused:
        await client.update_factor(ours, activate=True)
    assert refused.value.reason == "STALE_FACTOR_SET"
    assert _set_name(theirs) in str(refused.value)
    assert len(await _sets(client)) == 2
    await client.update_factor(ours)
    rebased = await client.update_factor(
        pb.Factor(name=(await _all(client))["diesel"].name, kg_co2e=2.6), activate=True
    )
    now = await _all(client)
    assert (now["diesel"].kg_co2e, now["petrol"].kg_co2e) == (2.6, 2.2)
    assert (await client.get_factor_set(_set_name(rebased))).version == 3


async def test_of_updates_at_once_one_is_activated(client: AsyncClient, base: pb.FactorSet) -> None:
    name = (await _all(client))["diesel"].name
    updates = (client.update_factor(pb.Factor(name=name, kg_co2e=3.0 + n), activate=True) for n in range(6))
    results = await asyncio.gather(*updates, return_exceptions=True)
    done = [result for result in results if isinstance(result, pb.Factor)]
    assert len(done) == 1
    assert {result.reason for result in results if isinstance(result, ServerError)} == {"STALE_FACTOR_SET"}
    assert [item.factor_set async for item in client.list_factor_set_activations()] == [_set_name(done[0]), base.name]


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


# BatchUpdateFactors


async def test_many_factors_change_in_one_version(client: AsyncClient, base: pb.FactorSet) -> None:
    before = await _all(client)
    requests = [
        pb.UpdateFactorRequest(factor=pb.Factor(name=before["petrol"].name, kg_co2e=2.2)),
        pb.UpdateFactorRequest(factor=pb.Factor(name=before["diesel"].name, unit="kg")),
    ]
    answer = await client.batch_update_factors(base.name, requests, activate=True, set_display_name="Mended")
    assert [(item.code, item.kg_co2e, item.unit) for item in answer.factors] == [
        *(("petrol", 2.2, "litre"), ("diesel", 2.5, "kg")),
    ]
    made = answer.factor_set
    assert (made.display_name, made.parent, made.version, made.active) == ("Mended", base.name, 2, True)
    after = await _all(client)
    assert (after["petrol"], after["diesel"]) == tuple(answer.factors)
    assert after["331110"].kg_co2e == 0.8


async def test_a_batch_is_all_or_nothing(client: AsyncClient, base: pb.FactorSet) -> None:
    before = await _all(client)
    requests = [
        pb.UpdateFactorRequest(factor=pb.Factor(name=before["petrol"].name, kg_co2e=2.2)),
        pb.UpdateFactorRequest(factor=pb.Factor(name=before["diesel"].name, unit="bananas")),
    ]
    with pytest.raises(InvalidRequest) as refused:
        await client.batch_update_factors(base.name, requests)
    assert [problem.field for problem in refused.value.problems] == ["requests[1].factor.unit"]
    assert await _sets(client) == [base]


async def test_a_batch_is_of_one_set_and_each_factor_once(client: AsyncClient, base: pb.FactorSet) -> None:
    other = await import_set(client, factor(kg_co2e=9.0))
    ours, theirs = (await _all(client))["diesel"], (await _all(client, other.name))["diesel"]
    for factors, field in (([ours, ours], "requests[1].factor.name"), ([theirs], "requests[0].factor.name")):
        with pytest.raises(InvalidRequest) as refused:
            await client.batch_update_factors(base.name, [pb.UpdateFactorRequest(factor=each) for each in factors])
        assert [problem.field for problem in refused.value.problems] == [field]
    with pytest.raises(InvalidRequest) as refused:
        await client.batch_update_factors(base.name, [pb.UpdateFactorRequest(factor=ours, activate=True)])
    assert [problem.field for problem in refused.value.problems] == ["requests[0]"]


@pytest.mark.parametrize(("count", "reason"), [(0, "REQUIRED_FIELD"), (1_001, "LIMIT_EXCEEDED")])
async def test_a_batch_has_1_to_1000_requests(client: AsyncClient, base: pb.FactorSet, count: int, reason: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await client.batch_update_factors(base.name, [pb.UpdateFactorRequest()] * count)
    assert refused.value.reason == reason


async def test_another_tenants_sets_cannot_be_changed_or_compared(
    service: FactorService, client: AsyncClient, base: pb.FactorSet
) -> None:
    stranger = await service.client()
    own = await import_set(stranger, DIESEL)
    diesel = (await _all(client))["diesel"]
    requests = [pb.UpdateFactorRequest(factor=diesel)]
    for attempt in (
        stranger.update_factor(diesel),
        stranger.batch_update_factors(base.name, requests),
        stranger.get_factor_set(base.name),
        _diff(stranger, own, base),
        _diff(stranger, base, own),
    ):
        with pytest.raises(NotFound):
            await attempt


# GetFactorSet


async def test_one_set_is_read_by_its_name(client: AsyncClient, base: pb.FactorSet) -> None:
    assert await client.get_factor_set(base.name) == base
    for name, error in (("", InvalidRequest), ("factorSets/x", InvalidRequest), ("factorSets/999999999", NotFound)):
        with pytest.raises(error):
            await client.get_factor_set(name)


# DiffFactorSets


async def test_a_diff_tells_what_was_added_removed_and_changed(client: AsyncClient, base: pb.FactorSet) -> None:
    other = await import_set(client, factor(kg_co2e=2.0, source_note="Another"), STEEL, factor(code="wood"))
    differences = await _diff(client, base, other)
    assert [(item.kind, item.old_factor.code, item.new_factor.code) for item in differences] == [
        *((CHANGED, "diesel", "diesel"), (REMOVED, "petrol", ""), (ADDED, "", "wood")),
    ]
    changed, removed, added = differences
    assert list(changed.changed_fields.paths) == ["kg_co2e", "source_note"]
    assert (changed.old_factor.kg_co2e, changed.new_factor.kg_co2e) == (2.5, 2.0)
    assert changed.relative_change == pytest.approx(-0.2)
    assert not removed.HasField("new_factor")
    assert not removed.HasField("relative_change")
    assert not added.HasField("old_factor")
    assert not added.HasField("changed_fields")
    back = await _diff(client, other, base)
    assert [item.kind for item in back] == [CHANGED, ADDED, REMOVED]
    assert back[0].relative_change == pytest.approx(0.25)
    assert await _diff(client, base, base) == []


@pytest.mark.parametrize(
    ("change", "fields", "relative"),
    [
        ({"display_name": "Gas oil"}, ["display_name"], 0.0),
        ({"gsd2": 1.2, "gwp_set": "AR6"}, ["gwp_set", "gsd2"], 0.0),
        (
            {"price_year": 2022, "price_basis": "producer", "margins": "without"},
            ["price_year", "price_basis", "margins"],
            0,
        ),
        ({"unit": "m3", "kg_co2e": 2_750.0}, ["unit", "kg_co2e"], 0.1),
        ({"unit": "kg"}, ["unit"], None),
        ({"kg_co2e": 0.0}, ["kg_co2e"], -1.0),
        ({"kg_co2e": -2.5}, ["kg_co2e"], -2.0),
    ],
    ids=str,
)
async def test_the_fields_and_the_relative_change_are_told(
    client: AsyncClient, base: pb.FactorSet, change: dict[str, Any], fields: list[str], relative: float | None
) -> None:
    other = await import_set(client, factor(**change), PETROL, STEEL)
    [changed] = await _diff(client, base, other)
    assert list(changed.changed_fields.paths) == fields
    told = changed.relative_change if changed.HasField("relative_change") else None
    assert told == (None if relative is None else pytest.approx(relative))


async def test_a_change_of_nothing_is_not_relative(client: AsyncClient, base: pb.FactorSet) -> None:
    nothing = await import_set(client, factor(kg_co2e=0.0), PETROL, STEEL)
    [changed] = await _diff(client, nothing, base)
    assert not changed.HasField("relative_change")


async def test_pages_of_a_diff_follow_each_other_in_order(client: AsyncClient) -> None:
    old = await import_set(client, *(factor(code=f"c{number:03}") for number in range(0, 120, 2)))
    new = await import_set(client, *(factor(code=f"c{number:03}", kg_co2e=9.0) for number in range(0, 120, 3)))
    call = client.connection.factors.DiffFactorSets
    request = pb.DiffFactorSetsRequest(old_factor_set=old.name, new_factor_set=new.name, page_size=7)
    paged = [item async for page in client.connection.pages(call, request) for item in page.differences]
    at_once = await _diff(client, old, new)
    assert paged == at_once
    kinds = [CHANGED if number % 6 == 0 else REMOVED if number % 2 == 0 else ADDED for number in range(120)]
    wanted = [(f"c{n:03}", kinds[n]) for n in range(120) if n % 2 == 0 or n % 3 == 0]
    assert [((item.new_factor.code or item.old_factor.code), item.kind) for item in paged] == wanted


async def test_a_wrong_name_in_a_diff_says_which(client: AsyncClient, base: pb.FactorSet) -> None:
    for old, new, field in (
        ("", base.name, "old_factor_set"),
        (base.name, "", "new_factor_set"),
        ("sets/1", base.name, "old_factor_set"),
        (base.name, "factorSets/x", "new_factor_set"),
    ):
        with pytest.raises(InvalidRequest) as refused:
            assert [item async for item in client.diff_factor_sets(old, new)]
        assert [problem.field for problem in refused.value.problems] == [field]
    with pytest.raises(NotFound):
        assert [item async for item in client.diff_factor_sets(base.name, "factorSets/999999999")]


async def test_an_import_with_a_base_is_a_version_of_it(client: AsyncClient, base: pb.FactorSet) -> None:
    made = await import_set(client, factor(code="wood"), base_factor_set=base.name)
    assert (made.parent, made.version, made.factor_count) == (base.name, 2, 4)
    assert [item.kind for item in await _diff(client, base, made)] == [ADDED]
