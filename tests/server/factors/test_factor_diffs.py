"""Two sets compared, through the client."""

from typing import Any

import pytest
from vcci.v1 import factor_service_pb2 as pb
from vcci_client import AsyncClient
from vcci_client.errors import InvalidRequest, NotFound

from tests.server.factor_service import factor, import_set
from tests.server.factors.versions import (
    ADDED,
    CHANGED,
    PETROL,
    REMOVED,
    STEEL,
    all_differences,
)


async def test_a_diff_tells_what_was_added_removed_and_changed(client: AsyncClient, base: pb.FactorSet) -> None:
    other = await import_set(client, factor(kg_co2e=2.0, source_note="Another"), STEEL, factor(code="wood"))
    differences = await all_differences(client, base, other)
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
    back = await all_differences(client, other, base)
    assert [item.kind for item in back] == [CHANGED, ADDED, REMOVED]
    assert back[0].relative_change == pytest.approx(0.25)
    assert await all_differences(client, base, base) == []


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
    [changed] = await all_differences(client, base, other)
    assert list(changed.changed_fields.paths) == fields
    told = changed.relative_change if changed.HasField("relative_change") else None
    assert told == (None if relative is None else pytest.approx(relative))


async def test_a_change_of_nothing_is_not_relative(client: AsyncClient, base: pb.FactorSet) -> None:
    nothing = await import_set(client, factor(kg_co2e=0.0), PETROL, STEEL)
    [changed] = await all_differences(client, nothing, base)
    assert not changed.HasField("relative_change")


async def test_pages_of_a_diff_follow_each_other_in_order(client: AsyncClient) -> None:
    old = await import_set(client, *(factor(code=f"c{number:03}") for number in range(0, 120, 2)))
    new = await import_set(client, *(factor(code=f"c{number:03}", kg_co2e=9.0) for number in range(0, 120, 3)))
    call = client.connection.factors.DiffFactorSets
    request = pb.DiffFactorSetsRequest(old_factor_set=old.name, new_factor_set=new.name, page_size=7)
    paged = [item async for page in client.connection.pages(call, request) for item in page.differences]
    at_once = await all_differences(client, old, new)
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
