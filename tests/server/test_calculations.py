"""CalculationService on a real server: one activity, a few, kept ones, streams, and everything wrong."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import grpc
import grpc.aio
import numpy as np
import pytest
from google.type.date_pb2 import Date
from vcci import columns as twins
from vcci.v1 import activity_pb2, emission_pb2, error_pb2, upload_service_pb2, upload_service_pb2_grpc
from vcci.v1 import calculation_service_pb2 as pb
from vcci.v1 import calculation_service_pb2_grpc as rpc
from vcci.v1.upload_pb2 import Upload

from tests.failures import failure
from tests.server_process import ServerProcess

DAY = 19_052  # 2022-03-01: in the year of the factor's prices
STEEL = 0.787  # kg CO2e per USD of 2022: EPA v1.3 with margins, NAICS 331110


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller of the server."""

    channel: grpc.aio.Channel
    metadata: list[tuple[str, str]]

    @property
    def stub(self) -> "rpc.CalculationServiceAsyncStub":
        return rpc.CalculationServiceStub(self.channel)

    async def calculate(self, *activities: activity_pb2.Activity, **fields: Any) -> pb.CalculateResponse:
        request = pb.CalculateRequest(activities=activities, **fields)
        return await self.stub.Calculate(request, metadata=self.metadata)

    async def refusal(
        self, *activities: activity_pb2.Activity, **fields: Any
    ) -> tuple[grpc.StatusCode, list[tuple[str, str]]]:
        """The status of a call that fails, and its wrong fields with their reasons."""
        failed = await failure(self.calculate(*activities, **fields))
        return failed.code, failed.fields

    async def stream(self, requests: Iterable[Any]) -> list[pb.CalculateStreamResponse]:
        """The answers to a stream of requests."""
        call = self.stub.CalculateStream(iter(requests), metadata=self.metadata)
        return [answer async for answer in call]

    async def upload(self, name: str) -> Upload:
        stub = upload_service_pb2_grpc.UploadServiceStub(self.channel)
        return await stub.GetUpload(upload_service_pb2.GetUploadRequest(name=name), metadata=self.metadata)


@pytest.fixture
async def caller(server: ServerProcess) -> AsyncIterator[Caller]:
    async with server.channel() as channel:
        yield Caller(channel, server.metadata())


def steel(**changes: Any) -> activity_pb2.Activity:
    """Steel for 10 USD, with changes."""
    fields: dict[str, Any] = {
        "supplier_code": "S1",
        "country": "US",
        "category": 1,
        "quantity": 10.0,
        "unit": "USD",
        "factor": "naics:331110",
        "reporting_period": Date(year=2022, month=3, day=1),
    }
    return activity_pb2.Activity(**(fields | changes))


def batch(rows: int = 2, **changes: Any) -> activity_pb2.ActivityColumns:
    """Steel for 1, 2, … USD, with changes."""
    fields: dict[str, Any] = {
        "supplier_codes": ["S1"],
        "units": ["USD"],
        "factors": ["naics:331110"],
        "supplier": [0] * rows,
        "category": [1] * rows,
        "quantity": [float(row + 1) for row in range(rows)],
        "unit": [0] * rows,
        "factor": [0] * rows,
        "period": [DAY] * rows,
    }
    return activity_pb2.ActivityColumns(**(fields | changes))


async def test_an_activity_is_answered_with_its_emission_factor_and_interval(caller: Caller) -> None:
    response = await caller.calculate(steel())
    (emission,) = response.emissions
    assert emission.estimate.kg_co2e == 10 * STEEL
    assert emission.estimate.kg_co2e_low < 10 * STEEL < emission.estimate.kg_co2e_high
    assert emission.estimate == response.total
    assert emission.method == activity_pb2.METHOD_SPEND_BASED
    assert (emission.factor_kg_co2e, emission.factor_unit) == (STEEL, "USD")
    assert emission.factor.startswith(f"{emission.factor_set}/factors/")
    assert list(emission.notices) == [emission_pb2.NOTICE_SPEND_BASED_INSTEAD_OF_SUPPLIER_SPECIFIC]
    assert response.upload == ""


async def test_who_wants_no_more_than_spend_based_is_told_of_no_downgrade(caller: Caller) -> None:
    (emission,) = (await caller.calculate(steel(method=activity_pb2.METHOD_SPEND_BASED))).emissions
    assert (emission.method, list(emission.notices)) == (activity_pb2.METHOD_SPEND_BASED, [])


async def test_a_like_activity_is_answered_the_same_when_it_is_recalled(caller: Caller) -> None:
    one = await caller.calculate(steel(quantity=3.3, reference="a"))
    again = await caller.calculate(steel(quantity=3.3, supplier_code="S2", reference="b"))
    both = await caller.calculate(steel(quantity=3.3), steel())
    assert one == again
    assert one.emissions[0] == both.emissions[0]


async def test_what_is_wrong_with_a_recalled_activity_is_told(caller: Caller) -> None:
    await caller.calculate(steel())
    wrong = {
        "quantity": (float("nan"), "NOT_FINITE"),
        "supplier_code": ("", "REQUIRED_FIELD"),
        "reference": ("x" * 129, "MALFORMED_VALUE"),
    }
    for field, (value, reason) in wrong.items():
        code, fields = await caller.refusal(steel(**{field: value}))
        assert (code, fields) == (grpc.StatusCode.INVALID_ARGUMENT, [(f"activities[0].{field}", reason)])
    assert (await caller.refusal(steel(quantity=-1.0)))[1] == [("activities[0].quantity", "NEGATIVE")]
    credit = await caller.calculate(steel(quantity=-1.0), allow_negative=True)
    assert credit.total.kg_co2e == -STEEL


async def test_a_suppliers_own_factor_is_shown_as_its_factor(caller: Caller) -> None:
    response = await caller.calculate(steel(unit="kg", factor="", inputs={"supplier_factor": 1.5}))
    (emission,) = response.emissions
    assert emission.method == activity_pb2.METHOD_SUPPLIER_SPECIFIC
    assert (emission.factor, emission.factor_kg_co2e, emission.factor_unit) == ("", 1.5, "kg")
    assert emission.estimate.kg_co2e == 15


def waste(share: float, **changes: Any) -> activity_pb2.Activity:
    """A treatment's share of a tonne of waste, with a factor of the supplier's, with changes."""
    fields: dict[str, Any] = {"category": 5, "method": activity_pb2.METHOD_AVERAGE_WASTE, "unit": "kg", "factor": ""}
    inputs = {"share": share, "supplier_factor": 2.0}
    return steel(**(fields | {"quantity": 1_000.0, "group": "plant", "inputs": inputs} | changes))


async def test_each_group_is_answered_with_its_sum(caller: Caller) -> None:
    response = await caller.calculate(waste(0.25), steel(), waste(0.75), steel(group="G"))
    plant, other = response.groups
    assert (plant.group, plant.activities, plant.estimate.kg_co2e) == ("plant", 2, 2_000)
    assert (other.group, other.activities, other.estimate) == ("G", 1, response.emissions[3].estimate)
    assert not plant.HasField("portfolio")


async def test_the_amount_and_the_part_of_the_whole_are_answered(caller: Caller) -> None:
    fields: dict[str, Any] = {"category": 15, "method": activity_pb2.METHOD_PCAF_LISTED_EQUITY, "unit": "t CO2e"}
    inputs = {"outstanding": 50.0, "evic": 200.0}
    emission = (await caller.calculate(steel(factor="", inputs=inputs, **fields))).emissions[0]
    assert (emission.amount, emission.attribution, emission.estimate.kg_co2e) == (2_500, 0.25, 2_500)
    assert (emission.factor, emission.factor_kg_co2e, emission.factor_unit) == ("", 1, "kg CO2e")
    again = (await caller.calculate(steel(factor="", quantity=20.0, inputs=inputs, **fields))).emissions[0]
    assert (again.amount, again.attribution) == (5_000, 0.25)


async def test_an_investment_of_two_lines_counts_once_with_the_worse_of_its_scores(caller: Caller) -> None:
    def building(kwh: float, score: float) -> activity_pb2.Activity:
        inputs = {"outstanding": 50.0, "property_value": 200.0, "pcaf_score": score, "supplier_factor": 0.2}
        of: dict[str, Any] = {"category": 15, "method": activity_pb2.METHOD_PCAF_MORTGAGES, "unit": "kWh", "factor": ""}
        return steel(quantity=kwh, group="mortgages", inputs=inputs, **of)

    (group,) = (await caller.calculate(building(10_000, 2), building(2_000, 4))).groups
    portfolio = group.portfolio
    assert (portfolio.investments, portfolio.outstanding, portfolio.data_quality_score) == (1, 50, 4)
    assert portfolio.kg_co2e_per_outstanding == pytest.approx(12_000 * 0.2 / 4 / 50)


async def test_shares_that_do_not_sum_to_one_are_refused(caller: Caller) -> None:
    code, fields = await caller.refusal(waste(0.25), steel(), waste(0.5))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert fields == [(f"activities[{row}].inputs.share", "SHARES_NOT_WHOLE") for row in (0, 2)]
    assert (await caller.refusal(waste(1.0, group="")))[1] == [("activities[0].group", "REQUIRED_FIELD")]


async def test_lines_with_one_factor_are_summed_as_correlated(caller: Caller) -> None:
    two = (await caller.calculate(steel(), steel())).total
    one = (await caller.calculate(steel(quantity=20.0))).total
    assert two.kg_co2e == one.kg_co2e
    assert two.kg_co2e_high / two.kg_co2e_low < one.kg_co2e_high / one.kg_co2e_low


async def test_draws_are_told_beside_each_estimate(caller: Caller) -> None:
    lines = [waste(0.7), waste(0.3), steel()]
    plain = await caller.calculate(*lines)
    drawn = await caller.calculate(*lines, draws=2_000)
    assert await caller.calculate(*lines, draws=2_000) == drawn
    assert await caller.calculate(*lines, draws=2_000, seed=1) != drawn
    estimates = [drawn.total, *(group.estimate for group in drawn.groups), *(one.estimate for one in drawn.emissions)]
    assert len(estimates) == 5
    for estimate in estimates:
        simulation = estimate.simulation
        assert simulation.draws == 2_000
        assert simulation.kg_co2e_p50 == pytest.approx(estimate.kg_co2e_median, rel=0.05)
        assert simulation.kg_co2e_mean == pytest.approx(estimate.kg_co2e_mean, rel=0.05)
        assert simulation.kg_co2e_p2_5 == pytest.approx(estimate.kg_co2e_low, rel=0.1)
        assert simulation.kg_co2e_p97_5 == pytest.approx(estimate.kg_co2e_high, rel=0.1)
        estimate.ClearField("simulation")
    assert drawn == plain


async def test_an_activity_that_is_recalled_is_drawn_all_the_same(caller: Caller) -> None:
    await caller.calculate(steel())
    (emission,) = (await caller.calculate(steel(), draws=1_000)).emissions
    assert emission.estimate.simulation.draws == 1_000


@pytest.mark.parametrize(
    ("lines", "draws", "reason"),
    [(1, 999, "OUT_OF_RANGE"), (1, 1_000_001, "OUT_OF_RANGE"), (1, -1, "OUT_OF_RANGE"), (11, 10**6, "LIMIT_EXCEEDED")],
)
async def test_the_number_of_draws_is_bounded(caller: Caller, lines: int, draws: int, reason: str) -> None:
    refused = await caller.refusal(*[steel()] * lines, draws=draws)
    assert refused == (grpc.StatusCode.INVALID_ARGUMENT, [("draws", reason)])


async def test_every_wrong_field_of_every_activity_is_named(caller: Caller) -> None:
    code, fields = await caller.refusal(
        steel(),
        steel(factor="naics:000000"),
        steel(unit="no_such_unit"),
        steel(reporting_period=Date(year=2025, month=13)),
    )
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert fields == [
        ("activities[1].factor", "UNKNOWN_FACTOR"),
        ("activities[2].unit", "UNKNOWN_UNIT"),
        ("activities[3].reporting_period", "MALFORMED_VALUE"),
    ]


async def test_the_number_of_activities_is_bounded(caller: Caller) -> None:
    assert len((await caller.calculate(*[steel()] * 100)).emissions) == 100
    assert (await caller.refusal())[1] == [("activities", "REQUIRED_FIELD")]
    assert (await caller.refusal(*[steel()] * 101))[1] == [("activities", "LIMIT_EXCEEDED")]


async def test_a_kept_calculation_is_stored_once_per_request_id(caller: Caller) -> None:
    request_id = uuid4().hex
    first = await caller.calculate(steel(), steel(), keep=True, request_id=request_id)
    before = await caller.upload(first.upload)
    again = await caller.calculate(steel(), steel(), keep=True, request_id=request_id)
    assert again == first
    assert (await caller.upload(first.upload)).accepted_rows == before.accepted_rows


async def test_calculations_kept_at_once_are_stored_once_each(caller: Caller) -> None:
    first = await caller.calculate(steel(), keep=True, request_id=uuid4().hex)
    before = (await caller.upload(first.upload)).accepted_rows
    ids = [uuid4().hex for _ in range(40)]
    calls = [caller.calculate(steel(), keep=True, request_id=request_id) for request_id in (*ids, *ids)]
    uploads = {response.upload for response in await asyncio.gather(*calls)}
    assert uploads == {first.upload}
    assert (await caller.upload(first.upload)).accepted_rows == before + 40


async def test_keeping_goes_on_when_its_upload_was_finalized(caller: Caller) -> None:
    first = await caller.calculate(steel(), keep=True, request_id=uuid4().hex)
    stub = upload_service_pb2_grpc.UploadServiceStub(caller.channel)
    finalize = upload_service_pb2.FinalizeUploadRequest(name=first.upload)
    await stub.FinalizeUpload(finalize, metadata=caller.metadata)
    second = await caller.calculate(steel(), keep=True, request_id=uuid4().hex)
    assert second.upload != first.upload
    assert (await caller.upload(second.upload)).accepted_rows == 1


@pytest.mark.parametrize("request_id", ["", "x" * 129, "a\nb", "ä"])
async def test_keeping_needs_a_request_id(caller: Caller, request_id: str) -> None:
    _, fields = await caller.refusal(steel(), keep=True, request_id=request_id)
    assert [field for field, _ in fields] == ["request_id"]


async def test_a_stream_answers_each_batch_in_order(caller: Caller) -> None:
    answers = await caller.stream([pb.CalculateStreamRequest(columns=batch(rows)) for rows in (3, 1, 2)])
    assert [answer.batch.emissions.rows for answer in answers] == [3, 1, 2]
    emissions = answers[0].batch.emissions
    np.testing.assert_array_equal(np.asarray(emissions.kg_co2e), np.array([1.0, 2.0, 3.0]) * STEEL)
    assert [emissions.factors[index] for index in emissions.factor] == ["naics:331110"] * 3
    assert [emissions.supplier_codes[index] for index in emissions.supplier] == ["S1"] * 3
    assert list(emissions.period) == [DAY] * 3
    assert min(emissions.gsd2) > 1
    assert answers[0].batch.total.kg_co2e == pytest.approx(6 * STEEL, rel=1e-12)
    assert answers[0].batch.factor_set.startswith("factorSets/")


async def test_rows_and_columns_are_answered_the_same(caller: Caller) -> None:
    rows = activity_pb2.ActivityRows(activities=[steel(quantity=1.0), steel(quantity=2.0)])
    of_rows, of_columns = await caller.stream(
        [pb.CalculateStreamRequest(rows=rows), pb.CalculateStreamRequest(columns=batch(2))]
    )
    assert of_rows.batch.emissions.kg_co2e == of_columns.batch.emissions.kg_co2e
    assert of_rows.batch.emissions.gsd2 == of_columns.batch.emissions.gsd2
    assert of_rows.batch.total == of_columns.batch.total


async def test_optional_columns_come_back(caller: Caller) -> None:
    message = batch(groups=["", "G"], group=[1, 0], references=["a", "b"], quality=[0x12345, 0])
    message.inputs.add(name="supplier_factor", value=[2.0], row=[1])
    (answer,) = await caller.stream([pb.CalculateStreamRequest(columns=message)])
    emissions = answer.batch.emissions
    assert [emissions.groups[index] for index in emissions.group] == ["G", ""]
    assert list(emissions.references) == ["a", "b"]
    assert list(emissions.quality) == [0x12345, 0]
    assert [emissions.factors[index] for index in emissions.factor] == ["naics:331110", ""]
    assert (list(emissions.inputs[0].value), list(emissions.inputs[0].row)) == ([2.0], [1])


async def test_wrong_rows_are_listed_and_the_others_calculated(caller: Caller) -> None:
    message = batch(3, quantity=[1.0, float("inf"), 3.0], references=["a", "b", "c"])
    (answer,) = await caller.stream([pb.CalculateStreamRequest(columns=message)])
    (error,) = answer.batch.row_errors
    assert (error.row, error.reason, error.field, error.reference) == (
        1,
        error_pb2.ERROR_REASON_NOT_FINITE,
        "quantity",
        "b",
    )
    assert list(answer.batch.emissions.row) == [0, 2]


async def test_a_stream_goes_on_after_a_batch_that_is_wrong_as_a_whole(caller: Caller) -> None:
    good = batch()
    requests = [
        pb.CalculateStreamRequest(columns=batch(unit=[0])),
        pb.CalculateStreamRequest(columns=good, crc32c=twins.checksum(good) ^ 1),
        pb.CalculateStreamRequest(columns=good, crc32c=twins.checksum(good)),
    ]
    first, second, third = await caller.stream(requests)
    assert (first.refusal.reason, first.refusal.field) == (error_pb2.ERROR_REASON_UNEQUAL_COLUMNS, "columns.unit")
    assert second.refusal.reason == error_pb2.ERROR_REASON_CHECKSUM_MISMATCH
    assert third.batch.emissions.rows == 2


async def test_a_stream_goes_on_after_a_message_that_is_not_protobuf(caller: Caller) -> None:
    call: Any = caller.channel.stream_stream(
        "/vcci.v1.CalculationService/CalculateStream", response_deserializer=pb.CalculateStreamResponse.FromString
    )
    requests = [b"\x0a\xff\xff", pb.CalculateStreamRequest(columns=batch()).SerializeToString()]
    answers = [answer async for answer in call(iter(requests), metadata=caller.metadata)]
    assert answers[0].refusal.reason == error_pb2.ERROR_REASON_MALFORMED_MESSAGE
    assert answers[1].batch.emissions.rows == 2


async def test_a_batch_of_nothing_is_answered_with_nothing(caller: Caller) -> None:
    (answer,) = await caller.stream([pb.CalculateStreamRequest()])
    assert answer.batch.emissions.rows == 0
    assert answer.batch.total == emission_pb2.Estimate()
