"""Everything that can be wrong with a batch, on a real server: each answers with its reason, field and value, and the
stream goes on.
"""

from typing import Any

import grpc
import grpc.aio
import pytest
from google.type.date_pb2 import Date
from vcci.v1 import upload_service_pb2 as pb
from vcci.v1.activity_pb2 import Activity, ActivityRows, InputColumn, MalformedCell
from vcci.v1.error_pb2 import ErrorReason, RowError

from tests.server_process import ServerProcess
from tests.uploads import STEEL, Uploads, batch, columns, line

NAN, INFINITE = float("nan"), float("inf")


def reason_of(message: RowError | pb.BatchRefusal) -> str:
    return ErrorReason.Name(message.reason).removeprefix("ERROR_REASON_")


async def goes_on(uploads: Uploads, name: str, ask: Any, offset: int = 0) -> bool:
    """Tell whether a good batch is stored after whatever was wrong, and nothing but the good batches is."""
    ack = await ask(batch(offset, 3))
    stored = await uploads.stored(name)
    assert [*stored.row] == [offset, offset + 1, offset + 2]
    return bool(ack.committed_through == offset + 3)


COLUMNS: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "NaN": ({"quantity": [NAN]}, "NOT_FINITE", "quantity", "nan"),
    "infinity": ({"quantity": [INFINITE]}, "NOT_FINITE", "quantity", "inf"),
    "minus infinity": ({"quantity": [-INFINITE]}, "NOT_FINITE", "quantity", "-inf"),
    "negative": ({"quantity": [-1.5]}, "NEGATIVE", "quantity", "-1.5"),
    "too much": ({"quantity": [1e300]}, "OUT_OF_RANGE", "quantity", "1e+300"),
    "before 1990": ({"period": [7_304]}, "OUT_OF_RANGE", "reporting_period", "1989-12-31"),
    "after 2100": ({"period": [47_847]}, "OUT_OF_RANGE", "reporting_period", "2101-01-01"),
    "the last day there is": ({"period": [2**31 - 1]}, "OUT_OF_RANGE", "reporting_period", "2147483647 days since"),
    "no unit": ({"units": [""]}, "REQUIRED_FIELD", "unit", ""),
    "unknown unit": ({"units": ["bananas"]}, "UNKNOWN_UNIT", "unit", "bananas"),
    "another unit": ({"units": ["kg"]}, "INCOMPATIBLE_UNIT", "unit", "kg"),
    "a currency without a rate": ({"units": ["VES"]}, "NO_EXCHANGE_RATE", "unit", "VES"),
    "no factor": ({"factors": [""]}, "MISSING_INPUT", "factor", ""),
    "unknown factor": ({"factors": ["naics:000000"]}, "UNKNOWN_FACTOR", "factor", "naics:000000"),
    "no category": ({"category": [0]}, "UNKNOWN_CATEGORY", "category", "0"),
    "category 16": ({"category": [16]}, "UNKNOWN_CATEGORY", "category", "16"),
    "method 9": ({"method": [9]}, "UNKNOWN_METHOD", "method", "resold_electricity"),
    "no supplier": ({"supplier_codes": [""]}, "REQUIRED_FIELD", "supplier_code", ""),
    "no such country": ({"supplier_countries": ["XX"]}, "OUT_OF_RANGE", "country", "XX"),
    "score 6": ({"quality": [0x12645]}, "OUT_OF_RANGE", "quality.temporal", "6"),
    "six digits of scores": ({"quality": [0x112345]}, "OUT_OF_RANGE", "quality", "0x112345"),
    "unknown input": ({"inputs": [InputColumn(name="no", value=[1.0])]}, "UNKNOWN_INPUT", "inputs.no", "1.0"),
    "input that is not a number": (
        {"inputs": [InputColumn(name="distance", value=[NAN])]},
        *("NOT_FINITE", "inputs.distance", "nan"),
    ),
    "share above 1": ({"inputs": [InputColumn(name="share", value=[1.5])]}, "OUT_OF_RANGE", "inputs.share", "1.5"),
    "unreadable cell": (
        {"malformed": [MalformedCell(row=0, field="quantity", value="1,5,0", expected="a number")]},
        *("MALFORMED_VALUE", "quantity", "1,5,0"),
    ),
}


@pytest.mark.parametrize(("changes", "reason", "field", "value"), COLUMNS.values(), ids=COLUMNS)
async def test_a_wrong_row_of_columns_is_rejected_with_its_reason(
    uploads: Uploads, name: str, changes: dict[str, Any], reason: str, field: str, value: str
) -> None:
    async with uploads.writing(name) as writer:
        ack = await writer.ask(pb.AppendBatch(columns=columns(1, references=["INV-7"], **changes)))
        assert (ack.accepted_rows, ack.rejected_rows, ack.committed_through) == (0, 1, 1)
        (error,) = ack.row_errors
        assert (error.row, reason_of(error), error.field, error.reference) == (0, reason, field, "INV-7")
        assert error.value.startswith(value)
        assert bool(error.value) == bool(value)
        assert error.expected
        assert await uploads.row_errors(name) == [error]
        assert await goes_on(uploads, name, writer.ask, 1)


LINES: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "NaN": ({"quantity": NAN}, "NOT_FINITE", "quantity", "nan"),
    "negative": ({"quantity": -1.5}, "NEGATIVE", "quantity", "-1.5"),
    "no date": ({"reporting_period": None}, "REQUIRED_FIELD", "reporting_period", ""),
    "no such date": (
        {"reporting_period": Date(year=2025, month=2, day=30)},
        *("MALFORMED_VALUE", "reporting_period", "2025-02-30"),
    ),
    "before 1990": (
        {"reporting_period": Date(year=1989, month=12, day=31)},
        *("OUT_OF_RANGE", "reporting_period", "1989-12-31"),
    ),
    "unknown unit": ({"unit": "bananas"}, "UNKNOWN_UNIT", "unit", "bananas"),
    "unknown factor": ({"factor": "naics:000000"}, "UNKNOWN_FACTOR", "factor", "naics:000000"),
    "category -1": ({"category": -1}, "UNKNOWN_CATEGORY", "category", "4294967295"),
    "long code": ({"supplier_code": "x" * 129}, "MALFORMED_VALUE", "supplier_code", "x" * 128),
    "NUL": ({"reference": "a\0b"}, "MALFORMED_VALUE", "reference", "a\\0b"),
    "unknown input": ({"inputs": {"no": 1.0}}, "UNKNOWN_INPUT", "inputs.no", "1.0"),
}


@pytest.mark.parametrize(("changes", "reason", "field", "value"), LINES.values(), ids=LINES)
async def test_a_wrong_line_is_rejected_with_its_reason(
    uploads: Uploads, name: str, changes: dict[str, Any], reason: str, field: str, value: str
) -> None:
    async with uploads.writing(name) as writer:
        rows = ActivityRows(activities=[line(**{"quantity": 1.0, **changes})])
        ack = await writer.ask(pb.AppendBatch(rows=rows))
        assert (ack.accepted_rows, ack.rejected_rows, ack.committed_through) == (0, 1, 1)
        (error,) = ack.row_errors
        assert (error.row, reason_of(error), error.field, error.value) == (0, reason, field, value)
        assert await uploads.row_errors(name) == [error]
        assert await goes_on(uploads, name, writer.ask, 1)


async def test_a_cell_of_a_line_that_the_client_could_not_read_rejects_the_line(uploads: Uploads, name: str) -> None:
    cell = MalformedCell(row=1, field="quantity", value="abc", expected="a number")
    rows = ActivityRows(activities=[line(1.0), line(2.0)], malformed=[cell])
    async with uploads.writing(name) as writer:
        ack = await writer.ask(pb.AppendBatch(rows=rows))
    assert (ack.accepted_rows, ack.rejected_rows) == (1, 1)
    assert [(error.row, reason_of(error), error.value) for error in ack.row_errors] == [(1, "MALFORMED_VALUE", "abc")]


WHOLE: dict[str, tuple[pb.AppendBatch, str, str, str]] = {
    name: (pb.AppendBatch(columns=message), reason, field, value)
    for name, (message, reason, field, value) in {
        "no quantity": (columns(quantity=[]), "UNEQUAL_COLUMNS", "columns.quantity", "0 values"),
        "no period": (columns(period=[]), "UNEQUAL_COLUMNS", "columns.period", "0 values"),
        "short column": (columns(unit=[0]), "UNEQUAL_COLUMNS", "columns.unit", "1 values"),
        "long column": (columns(category=[1] * 3), "UNEQUAL_COLUMNS", "columns.category", "3 values"),
        "short references": (columns(references=["a"]), "UNEQUAL_COLUMNS", "columns.references", "1 values"),
        "only a group": (columns(0, groups=["a"], group=[0]), "UNEQUAL_COLUMNS", "columns.group", "1 values"),
        "supplier": (columns(supplier=[0, 1]), "INDEX_OUT_OF_DICTIONARY", "columns.supplier[1]", "1"),
        "unit": (columns(unit=[2**32 - 1, 0]), "INDEX_OUT_OF_DICTIONARY", "columns.unit[0]", "4294967295"),
        "factor": (columns(factor=[0, 9]), "INDEX_OUT_OF_DICTIONARY", "columns.factor[1]", "9"),
        "no units": (columns(units=[]), "INDEX_OUT_OF_DICTIONARY", "columns.unit[0]", "0"),
        "row of an input": (
            columns(inputs=[InputColumn(name="days", value=[1.0], row=[2])]),
            *("INDEX_OUT_OF_DICTIONARY", "columns.inputs[0].row[0]", "2"),
        ),
        "malformed row": (
            columns(malformed=[MalformedCell(row=2)]),
            *("INDEX_OUT_OF_DICTIONARY", "columns.malformed[0].row", "2"),
        ),
        "long code": (columns(supplier_codes=["x" * 129]), "LIMIT_EXCEEDED", "columns.supplier_codes[0]", "x" * 128),
        "NUL": (columns(units=["US\0D"]), "MALFORMED_VALUE", "columns.units[0]", "US\0D"),
        "too many units": (columns(units=["USD"] * 65_536), "LIMIT_EXCEEDED", "columns.units", "65536"),
        "too many rows": (columns(250_001), "LIMIT_EXCEEDED", "columns.quantity", "250001"),
    }.items()
} | {
    "malformed row of lines": (
        pb.AppendBatch(rows=ActivityRows(activities=[line(1.0)], malformed=[MalformedCell(row=1)])),
        *("INDEX_OUT_OF_DICTIONARY", "rows.malformed[0].row", "1"),
    ),
    "too many lines": (
        pb.AppendBatch(rows=ActivityRows(activities=[Activity()] * 250_001)),
        *("LIMIT_EXCEEDED", "rows.activities", "250001"),
    ),
}


@pytest.mark.parametrize(("request_", "reason", "field", "value"), WHOLE.values(), ids=WHOLE)
async def test_a_batch_that_is_wrong_as_a_whole_is_refused_with_its_reason(
    uploads: Uploads, name: str, request_: pb.AppendBatch, reason: str, field: str, value: str
) -> None:
    async with uploads.writing(name) as writer:
        refusal = await writer.ask(request_)
        assert isinstance(refusal, pb.BatchRefusal)
        assert (reason_of(refusal), refusal.field, refusal.value) == (reason, field, value)
        assert (refusal.offset, refusal.expected_offset) == (0, 0)
        assert refusal.expected
        assert field in refusal.message
        assert await goes_on(uploads, name, writer.ask)


def of_size(size: int) -> bytes:
    """An Append of about so many bytes, which would be right but for its size."""
    message = columns(1, supplier_names=["x" * size])
    return pb.AppendActivitiesRequest(append=pb.AppendBatch(columns=message)).SerializeToString()


UNREADABLE: dict[str, tuple[bytes, str]] = {
    "cut off": (b"\x12\xff\xff", "MALFORMED_MESSAGE"),
    "noise": (bytes(range(255, 0, -1)), "MALFORMED_MESSAGE"),
    "bad UTF-8": (of_size(40).replace(b"x" * 40, b"\xff" * 40), "MALFORMED_MESSAGE"),
    "over the limit": (of_size(17 << 20), "LIMIT_EXCEEDED"),
}


@pytest.mark.parametrize(("data", "reason"), UNREADABLE.values(), ids=UNREADABLE)
async def test_a_message_that_cannot_be_read_is_refused(uploads: Uploads, name: str, data: bytes, reason: str) -> None:
    async with uploads.writing(name) as writer:
        refusal = await writer.ask(data)
        assert isinstance(refusal, pb.BatchRefusal)
        assert (reason_of(refusal), refusal.offset, refusal.expected_offset) == (reason, 0, 0)
        assert await goes_on(uploads, name, writer.ask)


async def test_a_message_that_cannot_be_read_is_told_so_wherever_it_is_in_a_window(uploads: Uploads, name: str) -> None:
    garbage = b"\x12\xff\xff"
    wrong = pb.AppendBatch(offset=4, columns=columns(unit=[]))
    async with uploads.writing(name) as writer:
        answers = await writer.ask(batch(0), garbage, batch(2), garbage, wrong, garbage, batch(6))
        told = [reason_of(answer) if isinstance(answer, pb.BatchRefusal) else answer.offset for answer in answers]
        refused = ("MALFORMED_MESSAGE", "UNEQUAL_COLUMNS", "MALFORMED_MESSAGE", "OFFSET_MISMATCH")
        assert told == [0, "MALFORMED_MESSAGE", 2, *refused]
        assert {answer.expected_offset for answer in answers[4:]} == {4}
        assert (await writer.ask(batch(4, 4))).committed_through == 8
    assert [*(await uploads.stored(name)).row] == [*range(8)]


async def test_a_message_beyond_grpcs_own_limit_ends_only_its_stream(uploads: Uploads, name: str) -> None:
    async with uploads.writing(name) as writer:
        await writer.send(of_size(33 << 20))
        failure = await writer.failure()
    assert failure.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    async with uploads.writing(name) as writer:
        assert await goes_on(uploads, name, writer.ask)


async def test_metadata_that_is_too_large_is_told_so(uploads: Uploads, name: str) -> None:
    writer = uploads.stream([*uploads.metadata, ("x-note", "x" * 9_000)])
    failure = await writer.failure()
    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "LIMIT_EXCEEDED")
    assert failure.metadata["field"] == "metadata"
    async with uploads.writing(name) as writer:
        assert await goes_on(uploads, name, writer.ask)


@pytest.mark.parametrize(("tenant", "reason"), [("nobody", "UNKNOWN_TENANT"), (None, "UNAUTHENTICATED")])
async def test_a_caller_without_a_tenant_opens_nothing(
    server: ServerProcess, uploads: Uploads, name: str, tenant: str | None, reason: str
) -> None:
    writer = uploads.stream(server.metadata(tenant) if tenant else [])
    failure = await writer.failure()
    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAUTHENTICATED, reason)
    async with uploads.writing(name) as writer:
        assert await goes_on(uploads, name, writer.ask)


async def test_negative_quantities_are_taken_where_the_upload_allows_them(uploads: Uploads) -> None:
    name = await uploads.create(allow_negative=True)
    async with uploads.writing(name) as writer:
        ack = await writer.ask(pb.AppendBatch(columns=columns(2, quantity=[-3.0, 1.0])))
    assert (ack.accepted_rows, ack.rejected_rows) == (2, 0)
    assert (await uploads.total(name)).estimate.kg_co2e == pytest.approx(-2 * STEEL, abs=1e-9)


async def test_the_first_wrong_rows_come_at_once_and_all_of_them_page_by_page(uploads: Uploads, name: str) -> None:
    rows = 250
    quantity = [-float(row + 1) if row % 2 else 1.0 for row in range(rows)]
    references = [f"INV-{row}" for row in range(rows)]
    async with uploads.writing(name) as writer:
        ack = await writer.ask(pb.AppendBatch(columns=columns(rows, quantity=quantity, references=references)))
        assert await writer.ask(batch(rows, 10))
        quantity = [-1.0] * 5
        await writer.ask(pb.AppendBatch(offset=rows + 10, columns=columns(5, quantity=quantity)))
    assert (ack.accepted_rows, ack.rejected_rows, len(ack.row_errors)) == (125, 125, 100)
    expected = [row for row in range(rows) if row % 2] + [rows + 10 + row for row in range(5)]
    for page_size in (0, 1_000_000, 130, 60, 7):
        errors = await uploads.row_errors(name, page_size)
        assert [error.row for error in errors] == expected
        assert errors[:100] == [*ack.row_errors]
        assert (errors[124].value, errors[124].reference) == ("-250.0", "INV-249")


async def test_a_token_is_good_for_its_own_list_only(uploads: Uploads, name: str) -> None:
    other = await uploads.create()
    async with uploads.writing(name) as writer:
        await writer.ask(pb.AppendBatch(columns=columns(3, quantity=[-1.0] * 3)))
    page = await uploads.call("ListRowErrors", pb.ListRowErrorsRequest(upload=name, page_size=1))
    wrong = [
        (other, page.next_page_token),
        (name, page.next_page_token[:-2]),
        (name, "nonsense"),
        (name, "é"),
    ]
    for upload, token in wrong:
        failure = await uploads.failure("ListRowErrors", pb.ListRowErrorsRequest(upload=upload, page_token=token))
        assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_TOKEN")
    failure = await uploads.failure("ListRowErrors", pb.ListRowErrorsRequest(upload=name, page_size=-1))
    assert [(problem.field, problem.reason) for problem in failure.problems] == [("page_size", "OUT_OF_RANGE")]


async def test_a_batch_may_be_all_or_nothing(uploads: Uploads, name: str) -> None:
    quantity = [1.0, -2.0, 3.0, NAN]
    async with uploads.writing(name) as writer:
        request = pb.AppendBatch(columns=columns(4, quantity=quantity), all_or_nothing=True)
        refusal = await writer.ask(request)
        assert isinstance(refusal, pb.BatchRefusal)
        assert (reason_of(refusal), refusal.rejected_rows, refusal.expected_offset) == ("BATCH_REFUSED", 2, 0)
        assert [(error.row, reason_of(error), error.value) for error in refusal.row_errors] == [
            (1, "NEGATIVE", "-2.0"),
            (3, "NOT_FINITE", "nan"),
        ]
        assert await uploads.row_errors(name) == []
        assert (await uploads.stored(name)).row.size == 0
        assert (await writer.ask(batch(0, 3, all_or_nothing=True))).accepted_rows == 3
    assert [*(await uploads.stored(name)).row] == [0, 1, 2]
