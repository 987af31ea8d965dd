"""The window of batches that are not durable yet."""

from collections.abc import AsyncIterator

import pytest
from vcci.v1 import upload_service_pb2 as pb
from vcci_client.encode import EncodedBatch
from vcci_client.errors import OutOfStep
from vcci_client.window import Window

from tests.waiting import until

ROWS = 10


def window_of(batches: int) -> Window:
    async def batches_from(row: int, limits: pb.BatchLimits) -> AsyncIterator[EncodedBatch]:
        for offset in range(row, batches * ROWS, ROWS):
            yield EncodedBatch(offset, ROWS, b"")

    return Window(batches_from)


def opened(committed_through: int = 0, credits: int = 3) -> pb.UploadOpened:
    return pb.UploadOpened(committed_through=committed_through, credits=credits)


def ack(credits: int = 3) -> pb.BatchAck:
    return pb.BatchAck(credits=credits)


async def send(window: Window, number: int) -> list[int]:
    """Send so many batches, as the source gives them; return their offsets."""
    return [batch.offset for _ in range(number) if (batch := await until(window.next_to_send))]


async def test_no_more_batches_are_in_flight_than_there_are_credits() -> None:
    window = window_of(9)
    window.open(opened(credits=2))
    assert await send(window, 2) == [0, 10]
    assert await window.next_to_send() is None
    assert window.acknowledge(ack(credits=3)).offset == 0
    assert await send(window, 2) == [20, 30]
    assert await window.next_to_send() is None
    window.close()


async def test_without_credits_one_batch_at_a_time_is_sent() -> None:
    window = window_of(3)
    window.open(opened(credits=0))
    assert await send(window, 1) == [0]
    assert await window.next_to_send() is None
    window.close()


async def test_it_is_done_when_the_last_batch_is_acknowledged() -> None:
    window = window_of(2)
    assert not window.is_done
    window.open(opened())
    await send(window, 2)
    window.acknowledge(ack())
    assert not window.is_done
    window.acknowledge(ack())
    assert await window.next_to_send() is None
    assert window.is_done


async def test_after_a_broken_connection_only_what_is_not_durable_is_sent_again() -> None:
    window = window_of(5)
    window.open(opened())
    assert await send(window, 3) == [0, 10, 20]
    window.open(opened(committed_through=20))
    assert await send(window, 3) == [20, 30, 40]
    window.close()


async def test_a_resumed_upload_begins_at_the_offset_of_the_server() -> None:
    window = window_of(5)
    window.open(opened(committed_through=30))
    assert await send(window, 2) == [30, 40]
    window.close()


async def test_after_a_refusal_all_in_flight_is_answered_before_anything_is_sent_again() -> None:
    window = window_of(6)
    window.open(opened())
    await send(window, 3)
    window.acknowledge(ack())
    assert window.refuse(pb.BatchRefusal(expected_offset=10)) == 1
    assert await window.next_to_send() is None
    assert window.refuse(pb.BatchRefusal(expected_offset=10)) == 1
    assert await send(window, 3) == [10, 20, 30]
    window.close()


async def test_refusals_in_a_row_are_counted_until_a_batch_is_taken() -> None:
    window = window_of(6)
    window.open(opened(credits=1))
    for number in (1, 2):
        await send(window, 1)
        assert window.refuse(pb.BatchRefusal(expected_offset=0)) == number
    await send(window, 1)
    window.acknowledge(ack(credits=1))
    await send(window, 1)
    assert window.refuse(pb.BatchRefusal(expected_offset=10)) == 1
    window.close()


@pytest.mark.parametrize("committed_through", [5, 40])
async def test_an_offset_that_was_never_sent_is_out_of_step(committed_through: int) -> None:
    window = window_of(9)
    window.open(opened())
    await send(window, 2)
    with pytest.raises(OutOfStep):
        window.open(opened(committed_through=committed_through))
    window.close()


async def test_what_a_server_acknowledged_and_lost_is_out_of_step() -> None:
    window = window_of(9)
    window.open(opened())
    await send(window, 2)
    window.acknowledge(ack())
    with pytest.raises(OutOfStep):
        window.open(opened(committed_through=0))
    window.close()


async def test_nothing_is_sent_to_a_server_that_drains() -> None:
    window = window_of(9)
    window.open(opened())
    await send(window, 1)
    window.drain()
    assert await window.next_to_send() is None
    window.acknowledge(ack())
    assert await window.next_to_send() is None
    assert not window.is_done
    window.open(opened(committed_through=10))
    assert await send(window, 1) == [10]
    window.close()
