"""The kinds of reports over a real channel: what each has, against AggregateEmissions, and what was stated for it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from vcci.v1 import emission_service_pb2 as emission_pb
from vcci.v1 import report_service_pb2 as pb
from vcci_server.report import reading_transport
from vcci_server.report.statements import NOT_PROVIDED
from vcci_server.storage.pool import Pool

from tests.server.emission_reader import problem
from tests.server.report_caller import DAY, Caller, Made, serve_reports

CATEGORY, TIER, METHOD = emission_pb.DIMENSION_CATEGORY, emission_pb.DIMENSION_METHOD_TIER, emission_pb.DIMENSION_METHOD
BEFORE = {"period_start": {**DAY, "year": 2024}, "period_end": DAY}
ESRS, CDP, IFRS = pb.REPORT_KIND_ESRS_E1_6, pb.REPORT_KIND_CDP_C6, pb.REPORT_KIND_IFRS_S2
ISO = pb.REPORT_KIND_ISO_14083
STATED: dict[str, Any] = {
    "currency": "EUR",
    "net_revenue": 2e6,
    "previous_net_revenue": 1e6,
    "scope_1_t_co2e": 10.0,
    "scope_2_market_t_co2e": 5.0,
    "boundary": "operational control, all sites",
    "categories": [
        {"category": 1, "status": pb.CATEGORY_STATUS_RELEVANT_CALCULATED, "explanation": "Steel is most of it."},
        {"category": 8, "status": pb.CATEGORY_STATUS_NOT_RELEVANT_EXPLAINED, "explanation": "Nothing is leased."},
    ],
}


@pytest.fixture
async def caller(pool: Pool) -> AsyncIterator[Caller]:
    """The service, with uploads at every stage; emissions are of November 2024 to May 2025."""
    async with serve_reports(pool) as caller:
        yield caller


async def tonnes(caller: Caller, *by: Any, **request: Any) -> dict[tuple[str, ...], float]:
    """Return t CO2e by dimensions; () is the total."""
    found = await caller.totals(*by, **request)
    groups = {tuple(group.keys): group.estimate.kg_co2e / 1000 for group in found.groups}
    return {**groups, (): found.total.estimate.kg_co2e / 1000}


def figures(made: Made, table: str, key: str = "figure", value: str = "value") -> dict[str, Any]:
    """Return a column of a table by another."""
    return {row[key]: row[value] for row in made.tables[table]["rows"]}


async def test_esrs_has_every_category_beside_the_base_period_and_the_one_before(caller: Caller) -> None:
    made = await caller.generate(kind=ESRS, base_year=2024, statements=STATED)
    now = await tonnes(caller, CATEGORY)
    before = await tonnes(caller, CATEGORY, filter=BEFORE)
    gross = made.tables["gross"]
    assert [row["category"] for row in gross["rows"]] == [*range(1, 16)]
    for row in (*gross["rows"], gross["total"]):
        key = (str(row["category"]),) if row["category"] else ()
        assert (row["t_co2e"], row["previous_t_co2e"], row["base_t_co2e"]) == (
            now.get(key),
            before.get(key),
            before.get(key),
        )
        if row["t_co2e"] is not None and row["previous_t_co2e"]:
            assert row["on_previous"] == pytest.approx(now[key] / before[key] - 1)
    tiers = await tonnes(caller, CATEGORY, TIER)
    primary = gross["rows"][0]["primary_share"]
    assert primary == pytest.approx(tiers.get(("1", "supplier_specific"), 0.0) / now[("1",)])
    assert [row["significant"] for row in gross["rows"]][:8] == ["yes", *["not stated"] * 6, "no"]


async def test_esrs_has_biogenic_co2_apart_and_intensities_of_what_is_stated(caller: Caller) -> None:
    made = await caller.generate(kind=ESRS, statements=STATED)
    now = (await caller.totals(include_gases=True)).total
    before = (await caller.totals(include_gases=True, filter=BEFORE)).total
    (biogenic,) = made.tables["biogenic"]["rows"]
    assert biogenic["t_co2e"] == pytest.approx(now.composition.kg_co2_biogenic / 1000)
    assert biogenic["previous_t_co2e"] == pytest.approx(before.composition.kg_co2_biogenic / 1000)
    assert biogenic["base_t_co2e"] is None
    scope_3 = now.estimate.kg_co2e / 1000
    scopes = figures(made, "scopes")
    assert scopes["Total, market-based"] == pytest.approx(15 + scope_3)
    assert scopes["Total, location-based"] is None
    intensity = figures(made, "intensity")
    assert intensity["Scope 3 per net revenue"] == pytest.approx(scope_3 / 2)  # per million EUR
    assert intensity["All scopes, market-based, per net revenue"] == pytest.approx((15 + scope_3) / 2)
    assert figures(made, "intensity", value="previous")["Scope 3 per net revenue"] == pytest.approx(
        before.estimate.kg_co2e / 1000
    )


async def test_what_is_not_stated_is_told_as_not_provided(caller: Caller) -> None:
    made = await caller.generate(kind=ESRS)
    assert {row["status"] for row in made.tables["included"]["rows"]} == {NOT_PROVIDED}
    assert figures(made, "intensity")["Net revenue"] is None
    assert figures(made, "scopes")["Scope 1, gross"] is None
    assert made.cover["Boundary"] == NOT_PROVIDED
    assert {row["on_base"] for row in made.tables["gross"]["rows"]} == {None}


async def test_cdp_has_status_methodology_and_percentage_of_each_category(caller: Caller) -> None:
    made = await caller.generate(kind=CDP, statements=STATED)
    now, tiers = await tonnes(caller, CATEGORY), await tonnes(caller, CATEGORY, TIER)
    methods = await tonnes(caller, CATEGORY, METHOD)
    rows = made.tables["c6_5"]["rows"]
    for row in rows:
        key = (str(row["category"]),)
        assert row["t_co2e"] == now.get(key)
        if key in now:
            part = tiers.get((*key, "supplier_specific"), 0.0) / now[key]
            assert row["primary_share"] == pytest.approx(part)
            used = {method for number, method in filter(None, methods) if number == key[0]}
            assert len(row["methodology"].split("; ")) == len(used)
    assert (rows[0]["status"], rows[0]["explanation"]) == ("relevant, calculated", "Steel is most of it.")
    assert (rows[1]["status"], rows[1]["explanation"]) == (NOT_PROVIDED, NOT_PROVIDED)
    operations, value_chain = made.tables["c6_10"]["rows"]
    assert operations["intensity"] == pytest.approx(15 / 2e6)
    assert (operations["scope_2"], operations["reason"]) == ("market-based", NOT_PROVIDED)
    before = (await tonnes(caller, filter=BEFORE))[()]
    assert value_chain["change"] == pytest.approx(now[()] / 2e6 / (before / 1e6) - 1)
    assert value_chain["direction"] == ("Increased" if value_chain["change"] > 0 else "Decreased")


async def test_ifrs_has_the_inputs_of_the_estimate(caller: Caller) -> None:
    made = await caller.generate(kind=IFRS)
    tiers = await tonnes(caller, TIER)
    measured = figures(made, "measured", "inputs", "t_co2e")
    own, other, verified = measured.values()
    assert own == pytest.approx(tiers[("supplier_specific",)])
    assert own + other == pytest.approx(tiers[()])
    assert verified is None
    assert made.tables["categories"]["total"]["t_co2e"] == tiers[()]


@pytest.mark.parametrize("gwp_set", ["", "AR6"])
async def test_transport_is_that_of_freight_and_its_parts_add_up(caller: Caller, gwp_set: str) -> None:
    made = await caller.generate(kind=ISO, gwp_set=gwp_set)
    freight = {"filter": {"period_start": DAY, "period_end": {**DAY, "year": 2026}, "categories": [4, 9]}}
    total = (await tonnes(caller, gwp_set=gwp_set, **freight))[()]
    assert figures(made, "summary")["Emissions of transport and hubs"] == total
    hubs = sum(row["t_co2e"] for row in made.tables["hubs"]["rows"])
    assert made.tables["modes"]["total"]["t_co2e"] + hubs == pytest.approx(total)
    groups = (await caller.totals(emission_pb.DIMENSION_GROUP, gwp_set=gwp_set, **freight)).groups
    expected = [(group.keys[0] or "in no chain", group.estimate.kg_co2e / 1000) for group in groups]
    chains = made.tables["chains"]["rows"]
    assert [(row["chain"], row["t_co2e"]) for row in chains] == expected
    for row in chains:
        assert row["transport_t_co2e"] + row["hubs_t_co2e"] == pytest.approx(row["t_co2e"])


async def test_more_operations_than_can_be_told_are_refused(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_transport, "MOST_OPERATIONS", 1)
    assert await problem(caller.generate(kind=ISO)) == ("period_start", "LIMIT_EXCEEDED")


async def test_financed_emissions_add_up_to_category_15(caller: Caller) -> None:
    made = await caller.generate(kind=IFRS, gwp_set="AR6")
    of_15 = made.tables["categories"]["rows"][14]["t_co2e"]
    for name in ("asset_classes", "industries"):
        assert made.tables[name]["total"]["t_co2e"] == pytest.approx(of_15)
    assert sum(row["t_co2e"] for row in made.tables["portfolios"]["rows"]) == pytest.approx(of_15)


@pytest.mark.parametrize("kind", [ESRS, CDP, IFRS, ISO])
async def test_every_kind_has_its_evidence_and_its_own_file_name(caller: Caller, kind: int) -> None:
    made = await caller.generate(kind=kind)
    assert {"methods", "formulas", "gases", "factors", "factor_sources", "inputs", "uncertainty"} <= {*made.tables}
    name = pb.ReportKind.Name(pb.ReportKind.ValueType(kind)).removeprefix("REPORT_KIND_").lower().replace("_", "-")
    assert made.report.filename == f"{name}-2025-01-2025-12.json"


def wrong(**stated: Any) -> dict[str, Any]:
    return {"statements": {**STATED, **stated}}


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"kind": 99}, "kind", "OUT_OF_RANGE"),
    ({"base_year": 1800}, "base_year", "OUT_OF_RANGE"),
    ({"base_year": 2025}, "base_year", "OUT_OF_RANGE"),
    (wrong(currency="EURO"), "statements.currency", "MALFORMED_VALUE"),
    (wrong(currency=""), "statements.currency", "REQUIRED_FIELD"),
    (wrong(net_revenue=-1.0), "statements.net_revenue", "NEGATIVE"),
    (wrong(scope_1_t_co2e=float("nan")), "statements.scope_1_t_co2e", "NOT_FINITE"),
    (wrong(boundary="x" * 2_401), "statements.boundary", "LIMIT_EXCEEDED"),
    (wrong(categories=[{"category": 16}]), "statements.categories[0].category", "UNKNOWN_CATEGORY"),
    (wrong(categories=[{"category": 1}] * 2), "statements.categories[1].category", "MALFORMED_VALUE"),
    (wrong(categories=[{"category": 1, "status": 9}]), "statements.categories[0].status", "OUT_OF_RANGE"),
]


async def test_wrong_statements_are_refused_with_their_place(caller: Caller) -> None:
    found = [(request, *await problem(caller.generate(**{"kind": ESRS, **request}))) for request, _, _ in WRONG]
    assert found == WRONG
