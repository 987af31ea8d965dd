"""Changing factors makes new versions of their set, through the client."""

import asyncio
from typing import Any

import pytest
from vcci.v1 import factor_service_pb2 as pb
from vcci_client import AsyncClient
from vcci_client.errors import InvalidRequest, NotFound
from vcci_server.importers import READERS, starter_factors

from tests.server.factor_service import FactorService, factor, import_set
from tests.server.factors.versions import (
    ADDED,
    DIESEL,
    PETROL,
    STEEL,
    all_differences,
    all_factors,
    all_sets,
    nameless,
    set_name_of,
)


async def test_an_update_makes_a_new_version_and_leaves_the_old_one(client: AsyncClient, base: pb.FactorSet) -> None:
    before = await all_factors(client)
    changed = await client.update_factor(pb.Factor(name=before["diesel"].name, kg_co2e=2.6))
    made = await client.get_factor_set(set_name_of(changed))
    assert (made.parent, made.version, made.factor_count, made.active) == (base.name, 2, 3, False)
    assert (base.parent, base.version) == ("", 1)
    assert made.display_name == base.display_name
    assert await client.get_factor(changed.name) == changed
    after = await all_factors(client, made.name)
    assert (after["diesel"], after["diesel"].kg_co2e) == (changed, 2.6)
    assert await all_factors(client, base.name) == before
    before["diesel"].kg_co2e = 2.6
    assert nameless(after) == nameless(before)
    assert await all_sets(client) == [made, base]


async def test_the_new_version_is_the_set_that_an_import_of_its_contents_gives(
    client: AsyncClient, base: pb.FactorSet
) -> None:
    changed = await client.update_factor(pb.Factor(name=(await all_factors(client))["diesel"].name, kg_co2e=2.6))
    made = await client.get_factor_set(set_name_of(changed))
    assert await import_set(client, STEEL, factor(kg_co2e=2.6), PETROL) == made


async def test_the_starter_set_is_copied_whole(client: AsyncClient) -> None:
    spec = pb.FactorSetSpec(display_name="Starter", format=pb.FACTOR_FORMAT_STARTER, activate=True)
    await client.import_factor_set(spec)
    before = [item async for item in client.list_factors()]
    changed = await client.update_factor(pb.Factor(name=before[0].name, kg_co2e=7.0))
    after = [item async for item in client.list_factors(set_name_of(changed))]
    assert len(after) == len(READERS["vcci_csv"](starter_factors()))
    made = await client.get_factor_set(set_name_of(changed))
    assert await import_set(client, *after) == made
    assert [old.code for old, new in zip(before, after, strict=True) if old.kg_co2e != new.kg_co2e] == [before[0].code]


async def test_the_same_update_again_gives_the_same_set(client: AsyncClient, base: pb.FactorSet) -> None:
    update = pb.Factor(name=(await all_factors(client))["diesel"].name, kg_co2e=2.6)
    made = await asyncio.gather(*(client.update_factor(update, activate=True) for _ in range(4)))
    assert all(each == made[0] for each in made)
    assert len(await all_sets(client)) == 2


async def test_an_update_that_changes_nothing_gives_the_set_itself(client: AsyncClient, base: pb.FactorSet) -> None:
    diesel = (await all_factors(client))["diesel"]
    assert await client.update_factor(diesel) == diesel
    assert await all_sets(client) == [base]


async def test_a_change_taken_back_gives_the_first_set(client: AsyncClient, base: pb.FactorSet) -> None:
    diesel = (await all_factors(client))["diesel"]
    changed = await client.update_factor(pb.Factor(name=diesel.name, kg_co2e=2.6))
    changed.kg_co2e = diesel.kg_co2e
    assert await client.update_factor(changed) == diesel


async def test_the_mask_says_what_changes(client: AsyncClient, base: pb.FactorSet) -> None:
    name = (await all_factors(client))["diesel"].name
    given = pb.Factor(name=name, kg_co2e=9.0, source_note="Another table")
    changed = await client.update_factor(given, ["source_note", "gwp_set", "gases"])
    assert (changed.source_note, changed.kg_co2e) == ("Another table", 2.5)
    assert (changed.gwp_set, dict(changed.gases)) == ("", {})


async def test_an_asterisk_replaces_everything_but_the_key(client: AsyncClient, base: pb.FactorSet) -> None:
    name = (await all_factors(client))["diesel"].name
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
    update = pb.Factor(name=(await all_factors(client))["diesel"].name, **fields)
    with pytest.raises(InvalidRequest) as refused:
        await client.update_factor(update, mask, activate=True)
    assert refused.value.reason == reason
    assert field in [problem.field for problem in refused.value.problems]
    assert await all_sets(client) == [base]


async def test_a_name_that_is_too_long_is_refused(client: AsyncClient, base: pb.FactorSet) -> None:
    diesel = (await all_factors(client))["diesel"]
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
    number = (await all_factors(client))["diesel"].name.rpartition("/")[2]
    for name in (f"{base.name}/factors/999999999", f"factorSets/999999999/factors/{number}"):
        with pytest.raises(NotFound):
            await client.update_factor(pb.Factor(name=name, kg_co2e=1.0))


async def test_many_factors_change_in_one_version(client: AsyncClient, base: pb.FactorSet) -> None:
    before = await all_factors(client)
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
    after = await all_factors(client)
    assert (after["petrol"], after["diesel"]) == tuple(answer.factors)
    assert after["331110"].kg_co2e == 0.8


async def test_a_batch_is_all_or_nothing(client: AsyncClient, base: pb.FactorSet) -> None:
    before = await all_factors(client)
    requests = [
        pb.UpdateFactorRequest(factor=pb.Factor(name=before["petrol"].name, kg_co2e=2.2)),
        pb.UpdateFactorRequest(factor=pb.Factor(name=before["diesel"].name, unit="bananas")),
    ]
    with pytest.raises(InvalidRequest) as refused:
        await client.batch_update_factors(base.name, requests)
    assert [problem.field for problem in refused.value.problems] == ["requests[1].factor.unit"]
    assert await all_sets(client) == [base]


async def test_a_batch_is_of_one_set_and_each_factor_once(client: AsyncClient, base: pb.FactorSet) -> None:
    other = await import_set(client, factor(kg_co2e=9.0))
    ours, theirs = (await all_factors(client))["diesel"], (await all_factors(client, other.name))["diesel"]
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
    diesel = (await all_factors(client))["diesel"]
    requests = [pb.UpdateFactorRequest(factor=diesel)]
    for attempt in (
        stranger.update_factor(diesel),
        stranger.batch_update_factors(base.name, requests),
        stranger.get_factor_set(base.name),
        all_differences(stranger, own, base),
        all_differences(stranger, base, own),
    ):
        with pytest.raises(NotFound):
            await attempt


async def test_one_set_is_read_by_its_name(client: AsyncClient, base: pb.FactorSet) -> None:
    assert await client.get_factor_set(base.name) == base
    for name, error in (("", InvalidRequest), ("factorSets/x", InvalidRequest), ("factorSets/999999999", NotFound)):
        with pytest.raises(error):
            await client.get_factor_set(name)


async def test_an_import_with_a_base_is_a_version_of_it(client: AsyncClient, base: pb.FactorSet) -> None:
    made = await import_set(client, factor(code="wood"), base_factor_set=base.name)
    assert (made.parent, made.version, made.factor_count) == (base.name, 2, 4)
    assert [item.kind for item in await all_differences(client, base, made)] == [ADDED]
