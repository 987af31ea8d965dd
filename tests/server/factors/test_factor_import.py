"""What goes into a factor set: files as published, messages, and everything wrong with them."""

import asyncio
from typing import Any

import grpc
import grpc.aio
import pytest
from vcci.v1 import factor_service_pb2 as pb
from vcci_server import factor_import, streams
from vcci_server.factor_import import MAX_BYTES
from vcci_server.importers import starter_factors

from tests.data_files import shared_data
from tests.failures import failure
from tests.server.factors.caller import (
    DESNZ,
    DIESEL,
    EPA_BY_GAS,
    EPA_CO2E,
    HEADER,
    STARTER_FACTORS,
    Caller,
    Requests,
    diesel,
    file_requests,
    spec_request,
)


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


async def test_the_starter_set_needs_nofile_requests(caller: Caller) -> None:
    made = await caller.send([spec_request(format=pb.FACTOR_FORMAT_STARTER)])
    assert made.factor_count == STARTER_FACTORS
    assert await caller.import_file(starter_factors(), pb.FACTOR_FORMAT_VCCI_CSV) == made


async def test_factors_sent_as_messages_are_the_same_set_as_theirfile_requests(caller: Caller) -> None:
    made = await caller.send([spec_request(format=pb.FACTOR_FORMAT_STARTER, activate=True)])
    assert await caller.import_messages(*await caller.factors()) == made


async def test_a_factor_sent_as_message_comes_back_as_it_was(caller: Caller) -> None:
    sent = diesel(gases={"CO2": 2.5, "CH4": 1e-05}, gwp_set="AR5", gsd2=1.2, region="GB", kg_co2e=0.1 + 0.2)
    await caller.import_messages(sent, activate=True)
    [listed] = await caller.factors()
    assert await caller.get(listed.name) == listed
    sent.name = listed.name
    assert listed == sent


async def test_a_factor_without_uncertainty_gets_the_basic_one(caller: Caller) -> None:
    await caller.import_messages(diesel(gsd2=0), activate=True)
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
    failed = await failure(caller.import_messages(diesel(), diesel(**{"code": "petrol", **wrong})))
    assert (failed.code, failed.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FACTOR_FILE")
    assert {violation.field for violation in failed.violations} == {f"factors[1].{field}"}
    assert not (await caller.sets()).factor_sets


async def test_a_factor_that_comes_twice_names_both(caller: Caller) -> None:
    [violation] = (await failure(caller.import_messages(*[diesel()] * 2))).violations
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
    failed = await failure(
        caller.send(file_requests(starter_factors(), **{"format": pb.FACTOR_FORMAT_VCCI_CSV, **spec}))
    )
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
        await call.write(spec_request(format=pb.FACTOR_FORMAT_VCCI_CSV))
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
        await call.write(spec_request(format=pb.FACTOR_FORMAT_VCCI_CSV))
    assert await caller.import_csv(DIESEL)
    for call in silent:
        failed = await failure(call)
        assert (failed.code, failed.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
