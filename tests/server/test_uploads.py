"""The upload protocol on a real server: sessions, epochs, offsets, marks, windows, checksums, several at once."""

import asyncio
from contextlib import suppress
from itertools import pairwise
from typing import Any
from uuid import uuid4

import grpc
import grpc.aio
import numpy as np
import pytest
from vcci.columns import checksum
from vcci.v1 import error_pb2
from vcci.v1 import upload_service_pb2 as pb
from vcci.v1.activity_pb2 import ActivityRows
from vcci.v1.upload_pb2 import Upload

from tests.server_process import ServerProcess
from tests.uploads import STEEL, Uploads, batch, batch_of_lines, columns
from tests.waiting import until

STREAMS = 100  # that a server takes at once


async def holds_rows(uploads: Uploads, name: str, rows: int) -> bool:
    """Tell whether an upload has the rows 0 to `rows` - 1 of `batch`, once each, and its totals are theirs."""
    stored, upload, total = await uploads.stored(name), await uploads.get(name), await uploads.total(name)
    kg_co2e = np.arange(1.0, rows + 1) * STEEL
    ug = int(np.rint(kg_co2e * 1e9).astype(np.int64).sum())
    np.testing.assert_array_equal(stored.row, np.arange(rows))
    np.testing.assert_array_equal(stored.kg_co2e, kg_co2e)
    assert (upload.committed_through, upload.accepted_rows, upload.rejected_rows) == (rows, rows, 0)
    assert upload.kg_co2e == total.estimate.kg_co2e == ug / 10**9
    return bool(total.rows == rows)


async def test_the_same_request_id_is_the_same_upload(uploads: Uploads) -> None:
    request = pb.CreateUploadRequest(request_id=uuid4().hex, display_name="a.csv", mode=Upload.MODE_PENDING)
    first = await uploads.call("CreateUpload", request)
    assert await uploads.call("CreateUpload", request) == first == await uploads.get(first.name)
    assert (first.display_name, first.mode, first.state) == ("a.csv", Upload.MODE_PENDING, Upload.STATE_OPEN)
    assert first.create_time == first.update_time


@pytest.mark.parametrize("changes", [{"mode": Upload.MODE_PENDING}, {"allow_negative": True}])
async def test_a_request_id_is_not_reused_for_another_upload(uploads: Uploads, changes: dict[str, Any]) -> None:
    request = pb.CreateUploadRequest(request_id=uuid4().hex)
    made = await uploads.call("CreateUpload", request)
    other = pb.CreateUploadRequest(request_id=request.request_id, **changes)
    failure = await uploads.failure("CreateUpload", other)
    assert (failure.code, failure.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "REQUEST_ID_REUSED")
    assert failure.metadata["upload"] == made.name


async def test_every_wrong_field_of_a_new_upload_is_named(uploads: Uploads) -> None:
    mode: Any = 7
    request = pb.CreateUploadRequest(request_id="ä", display_name="x" * 257, mode=mode)
    failure = await uploads.failure("CreateUpload", request)
    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert {(problem.field, problem.reason) for problem in failure.problems} == {
        ("request_id", "MALFORMED_VALUE"),
        ("display_name", "LIMIT_EXCEEDED"),
        ("mode", "OUT_OF_RANGE"),
    }
    failure = await uploads.failure("CreateUpload", pb.CreateUploadRequest())
    assert [(problem.field, problem.reason) for problem in failure.problems] == [("request_id", "REQUIRED_FIELD")]


async def test_uploads_are_listed_newest_first_page_by_page(uploads: Uploads) -> None:
    made = [await uploads.create() for _ in range(5)]
    page = await uploads.call("ListUploads", pb.ListUploadsRequest(page_size=3))
    request = pb.ListUploadsRequest(page_size=2, page_token=page.next_page_token)
    following = await uploads.call("ListUploads", request)
    assert [upload.name for upload in (*page.uploads, *following.uploads)] == made[::-1]
    failure = await uploads.failure("ListUploads", pb.ListUploadsRequest(page_token="x" * 10))
    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_TOKEN")


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (batch(0), "UPLOAD_NOT_OPEN"),
        (pb.AppendActivitiesRequest(), "UPLOAD_NOT_OPEN"),
        (None, "UPLOAD_NOT_OPEN"),
        (b"\x0a\xff\xff", "MALFORMED_MESSAGE"),
        (pb.AppendActivitiesRequest(open=pb.OpenUpload()), "REQUIRED_FIELD"),
        (pb.AppendActivitiesRequest(open=pb.OpenUpload(upload="uploads/abc")), "MALFORMED_VALUE"),
        (pb.AppendActivitiesRequest(open=pb.OpenUpload(upload="suppliers/1")), "MALFORMED_VALUE"),
    ],
)
async def test_the_first_message_must_open_an_upload(uploads: Uploads, first: Any, reason: str) -> None:
    writer = uploads.stream()
    if first is None:
        with pytest.raises(grpc.aio.AioRpcError):
            await writer.end()
    else:
        await writer.send(first)
    failure = await writer.failure()
    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)


async def test_an_upload_that_is_not_there_cannot_be_opened(uploads: Uploads) -> None:
    writer = uploads.stream()
    await writer.send(pb.AppendActivitiesRequest(open=pb.OpenUpload(upload="uploads/999999999")))
    failure = await writer.failure()
    assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")


async def test_a_second_open_ends_the_stream(uploads: Uploads, name: str) -> None:
    async with uploads.writing(name) as writer:
        await writer.ask(batch(0))
        await writer.send(pb.AppendActivitiesRequest(open=pb.OpenUpload(upload=name)))
        failure = await writer.failure()
    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "UPLOAD_NOT_OPEN")
    assert await holds_rows(uploads, name, 2)


async def test_opening_says_where_to_go_on_and_what_may_be_sent(uploads: Uploads, name: str) -> None:
    async with uploads.writing(name) as writer:
        first = writer.opened
        await writer.ask(batch(0, 5))
    async with uploads.writing(name) as writer:
        second = writer.opened
    assert (first.committed_through, second.committed_through) == (0, 5)
    assert second.epoch == first.epoch + 1
    assert first.credits >= 2
    assert first.limits == pb.BatchLimits(
        max_message_bytes=16 << 20,
        max_rows=250_000,
        max_dictionary_entries=65_535,
        max_string_bytes=128,
        max_row_errors_inline=100,
        max_stream_suppliers=250_000,
    )


@pytest.mark.parametrize("said", ["batch", "duplicate", "heartbeat", "wrong batch"])
async def test_a_writer_is_fenced_by_the_next_one_whatever_it_says(uploads: Uploads, name: str, said: str) -> None:
    async with uploads.writing(name) as old:
        await old.ask(batch(0))
        async with uploads.writing(name) as new:
            messages = {
                "batch": batch(2),
                "duplicate": batch(0),
                "heartbeat": pb.AppendBatch(),
                "wrong batch": pb.AppendBatch(offset=2, columns=columns(unit=[])),
            }
            await old.send(messages[said])
            failure = await old.failure()
            assert (failure.code, failure.reason) == (grpc.StatusCode.ABORTED, "WRITER_FENCED")
            assert failure.metadata["epoch"] == str(new.opened.epoch)
            assert (await new.ask(batch(2))).committed_through == 4
    assert await holds_rows(uploads, name, 4)


async def test_a_batch_is_acknowledged_when_it_is_durable(uploads: Uploads, name: str) -> None:
    async with uploads.writing(name) as writer:
        ack = await writer.ask(batch(0, 5))
        assert await holds_rows(uploads, name, 5)
        assert ack == pb.BatchAck(
            offset=0, received_through=5, committed_through=5, accepted_rows=5, credits=writer.opened.credits
        )
        assert (await writer.ask(batch(5, 3))).committed_through == 8
        assert await writer.end() == []
    assert await holds_rows(uploads, name, 8)


async def test_batches_that_were_taken_are_answered_after_the_last_one_was_sent(uploads: Uploads, name: str) -> None:
    async with uploads.writing(name) as writer:
        for offset in range(0, 40, 4):
            await writer.send(batch(offset, 4))
        answers = await writer.end()
    assert [(answer.offset, answer.accepted_rows) for answer in answers if isinstance(answer, pb.BatchAck)] == [
        (offset, 4) for offset in range(0, 40, 4)
    ]
    assert await holds_rows(uploads, name, 40)


@pytest.mark.parametrize(("offset", "rows"), [(0, 4), (4, 4), (0, 8), (1, 2), (3, 5), (7, 1)])
async def test_a_duplicate_is_acknowledged_and_changes_nothing(
    uploads: Uploads, name: str, offset: int, rows: int
) -> None:
    async with uploads.writing(name) as writer:
        await writer.ask(batch(0, 4), batch(4, 4))
        before = await uploads.get(name)
        ack = await writer.ask(batch(offset, rows))
        assert (ack.duplicate, ack.offset, ack.committed_through, ack.accepted_rows) == (True, offset, 8, 0)
        assert await uploads.get(name) == before
    assert await holds_rows(uploads, name, 8)


@pytest.mark.parametrize(
    ("offset", "rows"),
    [(3, 2), (0, 9), (5, 1), (2**32 - 2, 2)],
    ids=["half of it is there", "the first of it is there", "a gap of one", "the largest gap"],
)
async def test_the_expected_offset_is_told_and_the_stream_goes_on(
    uploads: Uploads, name: str, offset: int, rows: int
) -> None:
    wrong = batch(0, rows)
    wrong.offset = offset
    async with uploads.writing(name) as writer:
        await writer.ask(batch(0, 4))
        refusal = await writer.ask(wrong)
        assert isinstance(refusal, pb.BatchRefusal)
        assert (refusal.reason, refusal.offset) == (error_pb2.ERROR_REASON_OFFSET_MISMATCH, offset)
        assert refusal.expected_offset == 4
        assert (await writer.ask(batch(4, 4))).committed_through == 8
    assert await holds_rows(uploads, name, 8)


@pytest.mark.parametrize(
    ("offset", "rows"), [(-1, 1), (-5, 3), (-1, 4), (-(2**63), 2), (2**32 - 1, 2), (2**63 - 1, 1), (-1, 0)]
)
async def test_an_offset_is_within_the_rows_that_an_upload_may_have(
    uploads: Uploads, name: str, offset: int, rows: int
) -> None:
    wrong = batch(0, rows)
    wrong.offset = offset
    async with uploads.writing(name) as writer:
        refusal = await writer.ask(wrong)
        assert isinstance(refusal, pb.BatchRefusal)
        assert (refusal.reason, refusal.field) == (error_pb2.ERROR_REASON_OUT_OF_RANGE, "offset")
        assert (refusal.value, refusal.expected_offset) == (str(offset), 0)
        assert (await writer.ask(batch(0))).committed_through == 2
    assert await holds_rows(uploads, name, 2)


async def test_a_refusal_in_a_window_refuses_what_was_sent_behind_it(uploads: Uploads, name: str) -> None:
    wrong = pb.AppendBatch(offset=8, columns=columns(4, unit=[0]))
    async with uploads.writing(name) as writer:
        window = [batch(0, 4), batch(4, 4), wrong, *(batch(offset, 4) for offset in (12, 16, 20))]
        first, second, refused, *behind = await writer.ask(*window)
        assert (first.committed_through, second.committed_through) == (8, 8) or first.committed_through == 4
        assert (refused.reason, refused.field) == (error_pb2.ERROR_REASON_UNEQUAL_COLUMNS, "columns.unit")
        assert {answer.expected_offset for answer in (refused, *behind)} == {8}
        assert [(answer.offset, answer.reason) for answer in behind] == [
            (offset, error_pb2.ERROR_REASON_OFFSET_MISMATCH) for offset in (12, 16, 20)
        ]
        resumed = await writer.ask(*(batch(offset, 4) for offset in (8, 12, 16, 20)))
        assert [answer.offset for answer in resumed if isinstance(answer, pb.BatchAck)] == [8, 12, 16, 20]
    assert await holds_rows(uploads, name, 24)


async def test_a_client_may_go_on_at_the_expected_offset_before_every_refusal_has_come(
    uploads: Uploads, name: str
) -> None:
    slow = [batch_of_lines(offset, 20_000) for offset in (4, 20_004)]
    async with uploads.writing(name) as writer:
        for request in (pb.AppendBatch(offset=0, columns=columns(4, unit=[0])), *slow):
            await writer.send(request)
        first = await writer.answer()
        assert isinstance(first, pb.BatchRefusal)
        again = [batch(first.expected_offset + 4 * number, 4) for number in range(4)]
        answers = [*await writer.ask(*again[:2]), await writer.answer(), await writer.answer()]
        answers += await writer.ask(*again[2:])
    assert [(type(answer), answer.offset) for answer in answers] == [
        *((pb.BatchRefusal, request.offset) for request in slow),
        *((pb.BatchAck, request.offset) for request in again),
    ]
    assert await holds_rows(uploads, name, 16)


async def test_a_heartbeat_is_answered_with_the_marks(uploads: Uploads, name: str) -> None:
    async with uploads.writing(name) as writer:
        await writer.ask(batch(0, 4))
        for heartbeat in (pb.AppendBatch(offset=4), pb.AppendBatch(), pb.AppendBatch(columns=columns(0))):
            ack = await writer.ask(heartbeat)
            assert ack == pb.BatchAck(
                offset=heartbeat.offset, received_through=4, committed_through=4, credits=writer.opened.credits
            )
        assert await writer.ask(pb.AppendBatch(offset=4, rows=ActivityRows())) != pb.BatchAck()
    assert await holds_rows(uploads, name, 4)


async def test_no_more_than_the_credits_are_taken_ahead_of_what_is_durable(uploads: Uploads, name: str) -> None:
    rows, batches = 3, 60
    async with uploads.writing(name) as writer:
        answers = await writer.ask(*(batch(number * rows, rows) for number in range(batches)))
        credits = writer.opened.credits
    assert [answer.offset for answer in answers] == [number * rows for number in range(batches)]
    for before, answer in pairwise(answers):
        assert before.received_through <= answer.received_through
        assert before.committed_through <= answer.committed_through <= answer.received_through
        assert answer.received_through - before.offset <= (credits + 1) * rows
        assert answer.credits == credits
    assert await holds_rows(uploads, name, rows * batches)


async def test_streams_beyond_the_limit_are_told_to_come_again(uploads: Uploads, name: str) -> None:
    streams = [uploads.stream() for _ in range(STREAMS)]
    opened = [await stream.open(name) for stream in streams]
    assert opened[0].credits > opened[-1].credits >= 2, "many streams share the memory"
    one_more = uploads.stream()
    await one_more.send(pb.AppendActivitiesRequest(open=pb.OpenUpload(upload=name)))
    failure = await one_more.failure()
    assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
    assert failure.retry_after_s
    for stream in streams[:-1]:
        stream.cut()
    assert (await streams[-1].ask(batch(0))).committed_through == 2
    streams[-1].cut()
    await until(lambda: _opens(uploads, name))
    assert await holds_rows(uploads, name, 2)


async def _opens(uploads: Uploads, name: str) -> bool:
    """Tell whether a stream can be opened."""
    with suppress(grpc.aio.AioRpcError):
        async with uploads.writing(name):
            return True
    return False


async def test_a_batch_with_its_checksum_is_taken(uploads: Uploads, name: str) -> None:
    request = batch(0, 3)
    request.crc32c = checksum(request.columns)
    async with uploads.writing(name) as writer:
        assert (await writer.ask(request)).accepted_rows == 3
    assert await holds_rows(uploads, name, 3)


async def test_a_batch_with_another_checksum_is_refused_and_taken_when_it_is_right(uploads: Uploads, name: str) -> None:
    request = batch(0, 3)
    request.crc32c = right = checksum(request.columns)
    request.columns.quantity[1] += 1
    async with uploads.writing(name) as writer:
        refusal = await writer.ask(request)
        assert (refusal.reason, refusal.field) == (error_pb2.ERROR_REASON_CHECKSUM_MISMATCH, "crc32c")
        assert (refusal.value, refusal.expected_offset) == (f"{right:#010x}", 0)
        assert (await writer.ask(batch(0, 3, crc32c=right))).accepted_rows == 3
    assert await holds_rows(uploads, name, 3)


async def test_columns_and_lines_may_be_mixed_in_an_upload(uploads: Uploads, name: str) -> None:
    async with uploads.writing(name) as writer:
        forms = (batch, batch_of_lines, batch_of_lines, batch)
        answers = await writer.ask(*(form(7 * number, 7) for number, form in enumerate(forms)))
    assert [answer.accepted_rows for answer in answers] == [7] * 4
    assert await holds_rows(uploads, name, 28)


async def _upload_alone(uploads: Uploads) -> bool:
    name = await uploads.create()
    async with uploads.writing(name) as writer:
        for offset in range(0, 60, 20):
            await writer.ask(batch(offset, 10), batch(offset + 10, 10))
            await asyncio.gather(uploads.get(name), uploads.total(name))
    return await holds_rows(uploads, name, 60)


async def test_uploads_at_once_on_one_connection_do_not_mix(uploads: Uploads) -> None:
    assert all(await asyncio.gather(*(_upload_alone(uploads) for _ in range(8))))


async def test_uploads_at_once_on_many_connections_do_not_mix(server: ServerProcess) -> None:
    async def upload() -> bool:
        async with server.channel() as channel:
            return await _upload_alone(Uploads(channel, server.metadata()))

    assert all(await asyncio.gather(*(upload() for _ in range(8))))


async def test_writers_that_open_one_upload_at_once_store_each_row_once(uploads: Uploads, name: str) -> None:
    async def write() -> None:
        """Write as long as no other writer has come."""
        try:
            async with uploads.writing(name) as writer:
                for offset in range(writer.opened.committed_through, 60, 5):
                    await writer.ask(batch(offset, 5))
        except grpc.aio.AioRpcError as error:
            assert error.code() is grpc.StatusCode.ABORTED  # noqa: PT017  the others may not fail

    await asyncio.gather(*(write() for _ in range(6)))
    await write()
    assert await holds_rows(uploads, name, 60)
