"""FactorService over a real channel and a real database: files as published, messages, and everything wrong."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import grpc
import grpc.aio
import pytest
from vcci.v1 import factor_service_pb2 as pb
from vcci.v1 import factor_service_pb2_grpc as rpc
from vcci_server import factor_import, streams
from vcci_server.auth import make_token
from vcci_server.cache import FactorCache
from vcci_server.factor_import import MAX_BYTES
from vcci_server.factors import FactorServicer, ensure_starter
from vcci_server.importers import starter_factors
from vcci_server.metrics import Metrics
from vcci_server.storage import tenants
from vcci_server.storage.pool import Pool

from tests.data_files import shared_data
from tests.failures import failure
from tests.server.behind import behind, boundary_of

SECRET = "a secret of the tests, long enough"
CHUNK_BYTES = 1 << 20
EPA_CO2E = "SupplyChainGHGEmissionFactors_v1.3.0_NAICS_CO2e_USD2022.csv"
EPA_BY_GAS = "SupplyChainGHGEmissionFactors_v1.3.0_NAICS_byGHG_USD2022.csv"
DESNZ = "desnz2025_flat.xlsx"
HEADER = "source,code,name,year,unit,kg_co2e,source_note"
DIESEL = "fuel,diesel,Diesel,2025,litre,2.57082,DESNZ 2025"
STARTER_FACTORS = 425

Requests = Iterable[pb.ImportFactorSetRequest]


@dataclass(frozen=True, slots=True)
class Caller:
    """A tenant's caller of the service."""

    tenant_id: int
    stub: "rpc.FactorServiceAsyncStub"
    cache: FactorCache
    metadata: Sequence[tuple[str, str]]

    async def send(self, requests: Requests) -> pb.FactorSet:
        """Import what is sent as it is."""
        return await self.stub.ImportFactorSet(iter(requests), metadata=self.metadata)

    async def import_file(self, data: bytes, format: pb.FactorFormat.ValueType, **spec: Any) -> pb.FactorSet:
        """Import a file in chunks."""
        return await self.send(_file(data, format=format, **spec))

    async def import_csv(self, *lines: str, **spec: Any) -> pb.FactorSet:
        """Import lines below the usual header."""
        return await self.import_file("\n".join((HEADER, *lines)).encode(), pb.FACTOR_FORMAT_VCCI_CSV, **spec)

    async def import_messages(self, *factors: pb.Factor, **spec: Any) -> pb.FactorSet:
        """Import factors, a hundred a message."""
        batches = (pb.FactorBatch(factors=factors[start : start + 100]) for start in range(0, len(factors), 100))
        return await self.send([_spec(**spec), *(pb.ImportFactorSetRequest(factors=batch) for batch in batches)])

    async def activate(self, name: str) -> pb.FactorSet:
        return await self.stub.ActivateFactorSet(pb.ActivateFactorSetRequest(name=name), metadata=self.metadata)

    async def get(self, name: str) -> pb.Factor:
        return await self.stub.GetFactor(pb.GetFactorRequest(name=name), metadata=self.metadata)

    async def page(self, **request: Any) -> pb.ListFactorsResponse:
        return await self.stub.ListFactors(pb.ListFactorsRequest(**request), metadata=self.metadata)

    async def factors(self, **request: Any) -> list[pb.Factor]:
        """All pages."""
        found: list[pb.Factor] = []
        page = await self.page(**request)
        found.extend(page.factors)
        while page.next_page_token:
            page = await self.page(**request, page_token=page.next_page_token)
            found.extend(page.factors)
        return found

    async def sets(self, **request: Any) -> pb.ListFactorSetsResponse:
        return await self.stub.ListFactorSets(pb.ListFactorSetsRequest(**request), metadata=self.metadata)


@pytest.fixture
async def served(pool: Pool, database: str) -> AsyncIterator[tuple[grpc.aio.Channel, FactorCache]]:
    """The service behind its boundary, on a port."""
    metrics = Metrics()
    async with FactorCache(pool, database, tier=metrics.process_tier) as cache:
        adding = rpc.add_FactorServiceServicer_to_server, FactorServicer(pool, pool, cache)
        async with (
            behind(boundary_of(pool, SECRET, metrics), adding) as address,
            grpc.aio.insecure_channel(address) as channel,
        ):
            yield channel, cache


async def _caller(pool: Pool, served: tuple[grpc.aio.Channel, FactorCache]) -> Caller:
    channel, cache = served
    tenant = uuid4().hex
    token = make_token(SECRET, tenant, "tester", 600)
    tenant_id = await tenants.ensure_tenant(pool, tenant)
    return Caller(tenant_id, rpc.FactorServiceStub(channel), cache, [("authorization", f"Bearer {token}")])


@pytest.fixture
async def caller(pool: Pool, served: tuple[grpc.aio.Channel, FactorCache]) -> Caller:
    """A caller of a tenant of the test's own."""
    return await _caller(pool, served)


@pytest.fixture
async def stranger(pool: Pool, served: tuple[grpc.aio.Channel, FactorCache]) -> Caller:
    """A caller of another tenant."""
    return await _caller(pool, served)


# What goes in


@pytest.mark.parametrize(
    ("file", "format", "count"),
    [
        (EPA_CO2E, pb.FACTOR_FORMAT_EPA_V1_3, 1016),
        (EPA_BY_GAS, pb.FACTOR_FORMAT_EPA_V1_3, 1016),
        (DESNZ, pb.FACTOR_FORMAT_DESNZ_FLAT, 2672),
    ],
)
async def test_a_published_file_becomes_a_set(
    caller: Caller, file: str, format: pb.FactorFormat.ValueType, count: int
) -> None:
    data = shared_data(file).read_bytes()
    made = await caller.import_file(data, format, display_name=file, activate=True)
    assert (made.display_name, made.factor_count, made.active) == (file, count, True)
    assert len(await caller.factors(page_size=1000)) == count
    assert len(await caller.cache.table(caller.tenant_id)) == count
    assert await caller.import_file(data, format) == made


async def test_the_epa_file_has_both_variants_of_margins(caller: Caller) -> None:
    data = shared_data(EPA_CO2E).read_bytes()
    sets = [
        await caller.import_file(data, pb.FACTOR_FORMAT_EPA_V1_3, margins=margins)
        for margins in (pb.MARGINS_UNSPECIFIED, pb.MARGINS_WITH, pb.MARGINS_WITHOUT)
    ]
    assert sets[0] == sets[1] != sets[2]
    [steel] = await caller.factors(factor_set=sets[2].name, text="naics:331110")
    assert steel.margins == "without"
    both = await caller.import_file(data, pb.FACTOR_FORMAT_EPA_V1_3, margins=pb.MARGINS_BOTH)
    assert both.factor_count == sum(found.factor_count for found in sets[1:])
    found = await caller.factors(factor_set=both.name, text="naics:331110")
    assert [(of.code, of.margins) for of in found] == [("331110", "with"), ("331110.without_margins", "without")]
    assert found[1].kg_co2e == steel.kg_co2e


async def test_the_starter_set_needs_no_file(caller: Caller) -> None:
    made = await caller.send([_spec(format=pb.FACTOR_FORMAT_STARTER)])
    assert made.factor_count == STARTER_FACTORS
    assert await caller.import_file(starter_factors(), pb.FACTOR_FORMAT_VCCI_CSV) == made


async def test_factors_sent_as_messages_are_the_same_set_as_their_file(caller: Caller) -> None:
    made = await caller.send([_spec(format=pb.FACTOR_FORMAT_STARTER, activate=True)])
    assert await caller.import_messages(*await caller.factors()) == made


async def test_a_factor_sent_as_message_comes_back_as_it_was(caller: Caller) -> None:
    sent = _factor(gases={"CO2": 2.5, "CH4": 1e-05}, gwp_set="AR5", gsd2=1.2, region="GB", kg_co2e=0.1 + 0.2)
    await caller.import_messages(sent, activate=True)
    [listed] = await caller.factors()
    assert await caller.get(listed.name) == listed
    sent.name = listed.name
    assert listed == sent


async def test_a_factor_without_uncertainty_gets_the_basic_one(caller: Caller) -> None:
    await caller.import_messages(_factor(gsd2=0), activate=True)
    assert [factor.gsd2 for factor in await caller.factors()] == [1.05]


async def test_identical_imports_at_once_make_one_set(caller: Caller) -> None:
    made = await asyncio.gather(
        *(caller.import_file(starter_factors(), pb.FACTOR_FORMAT_VCCI_CSV, activate=True) for _ in range(8))
    )
    assert len({factor_set.name for factor_set in made}) == 1
    assert list((await caller.sets()).factor_sets) == made[:1]


async def test_the_file_replaces_factors_of_the_base_set(caller: Caller) -> None:
    base = await caller.import_csv(DIESEL, DIESEL.replace(",2025,", ",2024,"))
    made = await caller.import_csv(
        DIESEL.replace("2.57082", "2.6"), DIESEL.replace("diesel", "petrol"), base_factor_set=base.name
    )
    assert [(factor.code, factor.year, factor.kg_co2e) for factor in await caller.factors(factor_set=made.name)] == [
        *(("diesel", 2024, 2.57082), ("diesel", 2025, 2.6), ("petrol", 2025, 2.57082)),
    ]
    assert base.factor_count == 2


# What is wrong with it


async def test_a_wrong_file_names_line_column_value_and_what_was_expected(caller: Caller) -> None:
    await caller.import_csv(DIESEL, activate=True)
    bad = DIESEL.replace("2.57082", "2,57082").replace(",2,57082", ',"2,57082"')
    failed = await failure(
        caller.import_csv(DIESEL, bad.replace(",litre,", ",bananas,").replace(",diesel,", ",petrol,"), activate=True)
    )
    assert (failed.code, failed.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FACTOR_FILE")
    assert failed.fields == [
        ("line 3, column unit", "INVALID_FACTOR_FILE"),
        ("line 3, column kg_co2e", "INVALID_FACTOR_FILE"),
    ]
    assert "found '2,57082', expected a number" in failed.violations[1].description
    assert [factor_set.active for factor_set in (await caller.sets()).factor_sets] == [True]
    assert len(await caller.factors()) == 1


async def test_at_most_twenty_problems_are_named(caller: Caller) -> None:
    failed = await failure(caller.import_csv(*(f"fuel,f{number},F,2025,kg,x,D" for number in range(100))))
    assert 10 <= len(failed.violations) <= 20
    assert failed.violations[0].field == "line 2, column kg_co2e"


@pytest.mark.parametrize("format", [pb.FACTOR_FORMAT_EPA_V1_3, pb.FACTOR_FORMAT_DESNZ_FLAT])
async def test_a_file_of_another_layout_is_refused(caller: Caller, format: pb.FactorFormat.ValueType) -> None:
    failed = await failure(caller.import_file(starter_factors(), format))
    assert (failed.code, failed.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FACTOR_FILE")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"source": ""}, "source"),
        ({"source": "naics "}, "source"),
        ({"code": "a b"}, "code"),
        ({"display_name": ""}, "display_name"),
        ({"region": "UK"}, "region"),
        ({"region": "gb"}, "region"),
        ({"year": 0}, "year"),
        ({"year": 3000}, "year"),
        ({"year": -5}, "year"),
        ({"unit": ""}, "unit"),
        ({"unit": "bananas"}, "unit"),
        ({"kg_co2e": float("nan")}, "kg_co2e"),
        ({"kg_co2e": float("-inf")}, "kg_co2e"),
        ({"kg_co2e": 1e300}, "kg_co2e"),
        ({"gases": {"CO2": float("nan")}}, "gases"),
        ({"gases": {"C O2": 1.0}}, "gases"),
        ({"gases": {"": 1.0}}, "gases"),
        ({"gases": {"CO2=1 CH4": 1.0}}, "gases"),
        ({"gwp_set": "AR9"}, "gwp_set"),
        ({"gsd2": 0.5}, "gsd2"),
        ({"gsd2": float("inf")}, "gsd2"),
        ({"price_year": 22}, "price_year"),
        ({"price_basis": "x"}, "price_basis"),
        ({"margins": "x"}, "margins"),
        ({"source_note": "a\0b"}, "source_note"),
    ],
)
async def test_a_wrong_factor_names_its_number_and_field(caller: Caller, wrong: dict[str, Any], field: str) -> None:
    failed = await failure(caller.import_messages(_factor(), _factor(**{"code": "petrol", **wrong})))
    assert (failed.code, failed.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FACTOR_FILE")
    assert {violation.field for violation in failed.violations} == {f"factors[1].{field}"}
    assert not (await caller.sets()).factor_sets


async def test_a_factor_that_comes_twice_names_both(caller: Caller) -> None:
    [violation] = (await failure(caller.import_messages(*[_factor()] * 2))).violations
    assert violation.field == "factors[1].code"
    assert violation.description.endswith("factors[0] has the same")


@pytest.mark.parametrize(
    ("spec", "field", "reason"),
    [
        ({"display_name": ""}, "spec.display_name", "REQUIRED_FIELD"),
        ({"display_name": "x" * 257}, "spec.display_name", "LIMIT_EXCEEDED"),
        ({"format": 99}, "spec.format", "OUT_OF_RANGE"),
        ({"margins": 99}, "spec.margins", "OUT_OF_RANGE"),
        ({"margins": pb.MARGINS_WITH}, "spec.margins", "MALFORMED_VALUE"),
        ({"base_factor_set": "sets/1"}, "spec.base_factor_set", "MALFORMED_VALUE"),
        ({"format": pb.FACTOR_FORMAT_UNSPECIFIED}, "chunk", "MALFORMED_VALUE"),
        ({"format": pb.FACTOR_FORMAT_STARTER}, "chunk", "MALFORMED_VALUE"),
    ],
)
async def test_a_wrong_spec_is_named(caller: Caller, spec: dict[str, Any], field: str, reason: str) -> None:
    failed = await failure(caller.send(_file(starter_factors(), **{"format": pb.FACTOR_FORMAT_VCCI_CSV, **spec})))
    assert failed.code is grpc.StatusCode.INVALID_ARGUMENT
    assert failed.fields == [(field, reason)]


@pytest.mark.parametrize(
    ("requests", "field"),
    [
        ([], "spec"),
        ([pb.ImportFactorSetRequest()], "spec"),
        ([pb.ImportFactorSetRequest(chunk=b"source")], "spec"),
        ([pb.ImportFactorSetRequest(spec=pb.FactorSetSpec(display_name="none"))], "factors"),
        ([pb.ImportFactorSetRequest(spec=pb.FactorSetSpec(display_name="twice"))] * 2, "spec"),
        (
            [
                pb.ImportFactorSetRequest(
                    spec=pb.FactorSetSpec(display_name="a file", format=pb.FACTOR_FORMAT_VCCI_CSV)
                ),
                pb.ImportFactorSetRequest(factors=pb.FactorBatch()),
            ],
            "factors",
        ),
        (
            [
                pb.ImportFactorSetRequest(
                    spec=pb.FactorSetSpec(display_name="a header", format=pb.FACTOR_FORMAT_VCCI_CSV)
                ),
                pb.ImportFactorSetRequest(chunk=HEADER.encode()),
            ],
            "factors",
        ),
    ],
)
async def test_requests_out_of_order_are_named(caller: Caller, requests: Requests, field: str) -> None:
    failed = await failure(caller.send(requests))
    assert failed.code is grpc.StatusCode.INVALID_ARGUMENT
    assert [violation.field for violation in failed.violations] == [field]


async def test_a_file_over_64_mib_is_refused(caller: Caller) -> None:
    data = b"\n" * (MAX_BYTES + 1)
    failed = await failure(caller.import_file(data, pb.FACTOR_FORMAT_VCCI_CSV))
    assert (failed.code, failed.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "LIMIT_EXCEEDED")
    assert failed.violations[0].description.endswith(f"at most {MAX_BYTES} bytes in all")


async def test_a_set_that_would_grow_too_large_is_refused(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    base = await caller.import_csv(DIESEL)
    monkeypatch.setattr(factor_import, "MAX_FACTORS", 1)
    failed = await failure(caller.import_csv(DIESEL.replace("diesel", "petrol"), base_factor_set=base.name))
    assert (failed.code, failed.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "LIMIT_EXCEEDED")


async def test_a_caller_who_goes_away_leaves_nothing_and_makes_room(caller: Caller) -> None:
    for _ in range(4):
        call = caller.stub.ImportFactorSet(metadata=caller.metadata)
        await call.write(_spec(format=pb.FACTOR_FORMAT_VCCI_CSV))
        await call.write(pb.ImportFactorSetRequest(chunk=HEADER.encode()))
        call.cancel()
    assert not (await caller.sets()).factor_sets
    assert await caller.import_csv(DIESEL)


async def test_callers_who_fall_silent_do_not_keep_others_from_importing(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "SILENCE_S", 0.2)
    silent = [caller.stub.ImportFactorSet(metadata=caller.metadata) for _ in range(3)]
    for call in silent:
        await call.write(_spec(format=pb.FACTOR_FORMAT_VCCI_CSV))
    assert await caller.import_csv(DIESEL)
    for call in silent:
        failed = await failure(call)
        assert (failed.code, failed.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")


# What is active


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


# What comes out


async def test_pages_of_factors_follow_each_other(caller: Caller) -> None:
    await caller.send([_spec(format=pb.FACTOR_FORMAT_STARTER, activate=True)])
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


def _spec(**spec: Any) -> pb.ImportFactorSetRequest:
    return pb.ImportFactorSetRequest(spec=pb.FactorSetSpec(**{"display_name": "A set", **spec}))


def _file(data: bytes, **spec: Any) -> Iterator[pb.ImportFactorSetRequest]:
    yield _spec(**spec)
    for start in range(0, len(data), CHUNK_BYTES):
        yield pb.ImportFactorSetRequest(chunk=data[start : start + CHUNK_BYTES])


def _factor(**fields: Any) -> pb.Factor:
    diesel = {
        "source": "fuel", "code": "diesel", "display_name": "Diesel", "year": 2025, "unit": "litre",
        "kg_co2e": 2.57082, "source_note": "DESNZ 2025",
    }  # fmt: skip
    return pb.Factor(**{**diesel, **fields})
