"""Factor sets and their factors: activated, listed, read, and everything wrong with asking."""

import asyncio
from typing import Any

import grpc
import grpc.aio
import pytest
from vcci.v1 import factor_service_pb2 as pb
from vcci_server.factors import ensure_starter
from vcci_server.storage.pool import Pool

from tests.failures import failure
from tests.server.factors.caller import (
    DIESEL,
    STARTER_FACTORS,
    Caller,
    spec_request,
)


async def test_the_activated_set_is_in_use_at_once(caller: Caller) -> None:
    old = await caller.import_csv(DIESEL, activate=True)
    new = await caller.import_csv(DIESEL.replace("2.57082", "2.6"))
    assert (await caller.cache.table(caller.tenant_id)).kg_co2e.tolist() == [2.57082]
    assert (await caller.activate(new.name)).active
    table = caller.cache.peek(caller.tenant_id)
    assert table is not None
    assert table.kg_co2e.tolist() == [2.6]
    assert [(each.name, each.active) for each in (await caller.sets()).factor_sets] == [
        *((new.name, True), (old.name, False)),
    ]


async def test_importing_an_existing_set_activates_it(caller: Caller) -> None:
    first = await caller.import_csv(DIESEL)
    await caller.import_csv(DIESEL.replace("2.57082", "2.6"), activate=True)
    again = await caller.import_csv(DIESEL, activate=True)
    assert (again.name, again.active) == (first.name, True)


async def test_without_an_active_set_factors_cannot_be_listed(caller: Caller) -> None:
    await caller.import_csv(DIESEL)
    failed = await failure(caller.page())
    assert (failed.code, failed.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NO_ACTIVE_FACTOR_SET")


async def test_the_starter_set_is_imported_for_a_tenant_without_any(caller: Caller, pool: Pool) -> None:
    await asyncio.gather(*(ensure_starter(pool, caller.tenant_id) for _ in range(3)))
    [starter] = (await caller.sets()).factor_sets
    assert (starter.factor_count, starter.active) == (STARTER_FACTORS, True)


async def test_the_starter_set_is_not_imported_beside_another(caller: Caller, pool: Pool) -> None:
    made = await caller.import_csv(DIESEL)
    await ensure_starter(pool, caller.tenant_id)
    assert list((await caller.sets()).factor_sets) == [made]


async def test_another_tenants_factors_are_not_found(caller: Caller, stranger: Caller) -> None:
    theirs = await stranger.import_csv(DIESEL, activate=True)
    [factor] = await stranger.factors()
    for attempt in (
        caller.activate(theirs.name),
        caller.get(factor.name),
        caller.page(factor_set=theirs.name),
        caller.import_csv(DIESEL, base_factor_set=theirs.name),
    ):
        failed = await failure(attempt)
        assert (failed.code, failed.reason) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
    assert not (await caller.sets()).factor_sets


@pytest.mark.parametrize("number", ["0", "999999999", "99999999999999999"])
async def test_what_does_not_exist_is_not_found(caller: Caller, number: str) -> None:
    for attempt in (
        caller.activate(f"factorSets/{number}"),
        caller.get(f"factorSets/{number}/factors/{number}"),
        caller.page(factor_set=f"factorSets/{number}"),
    ):
        assert (await failure(attempt)).code is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "REQUIRED_FIELD"),
        ("factorSets", "MALFORMED_VALUE"),
        ("factorSets/x", "MALFORMED_VALUE"),
        ("factorSets/1/factors/", "MALFORMED_VALUE"),
        ("factorSets/1/factors/-1", "MALFORMED_VALUE"),
        ("suppliers/1/factors/1", "MALFORMED_VALUE"),
        ("factorSets/" + "9" * 30, "MALFORMED_VALUE"),
    ],
)
async def test_a_malformed_name_is_refused(caller: Caller, name: str, reason: str) -> None:
    for attempt in (caller.activate(name), caller.get(name)):
        failed = await failure(attempt)
        assert (failed.code, failed.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
        assert [violation.field for violation in failed.violations] == ["name"]


async def test_pages_of_factors_follow_each_other(caller: Caller) -> None:
    await caller.send([spec_request(format=pb.FACTOR_FORMAT_STARTER, activate=True)])
    at_once = await caller.factors(page_size=1000)
    assert len(at_once) == STARTER_FACTORS
    assert await caller.factors(page_size=50) == at_once
    assert len((await caller.page()).factors) == 100
    assert await caller.factors(source="grid", text="ELECTRICITY", page_size=7) == [
        factor
        for factor in at_once
        if factor.source == "grid" and "electricity" in f"{factor.code}{factor.display_name}".lower()
    ]


async def test_pages_stay_with_the_set_of_the_first(caller: Caller) -> None:
    await caller.import_csv(DIESEL, DIESEL.replace("diesel", "petrol"), activate=True)
    first = await caller.page(page_size=1)
    await caller.import_csv(DIESEL.replace("diesel", "wood"), activate=True)
    second = await caller.page(page_size=1, page_token=first.next_page_token)
    assert [factor.code for page in (first, second) for factor in page.factors] == ["diesel", "petrol"]
    assert not second.next_page_token


async def test_a_token_of_another_list_is_refused(caller: Caller) -> None:
    await caller.import_csv(DIESEL, DIESEL.replace("diesel", "petrol"), activate=True)
    token = (await caller.page(page_size=1)).next_page_token
    for attempt in (
        caller.page(page_size=1, page_token=token, source="fuel"),
        caller.page(page_size=1, page_token="x"),
        caller.sets(page_token=token),
    ):
        failed = await failure(attempt)
        assert (failed.code, failed.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_TOKEN")


@pytest.mark.parametrize(
    ("request_", "field"),
    [({"page_size": -1}, "page_size"), ({"text": "x" * 257}, "text"), ({"source": "a\0"}, "source")],
)
async def test_a_wrong_request_of_a_list_is_named(caller: Caller, request_: dict[str, Any], field: str) -> None:
    failed = await failure(caller.page(**request_))
    assert [violation.field for violation in failed.violations] == [field]


async def test_pages_of_sets_follow_each_other_newest_first(caller: Caller) -> None:
    made = [await caller.import_csv(DIESEL.replace(",2025,", f",{year},")) for year in range(2018, 2023)]
    first = await caller.sets(page_size=3)
    second = await caller.sets(page_size=3, page_token=first.next_page_token)
    assert [*first.factor_sets, *second.factor_sets] == made[::-1]
    assert not second.next_page_token
