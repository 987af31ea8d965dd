"""Bounds on what is under way."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from vcci_engine.errors import Overloaded
from vcci_server.admission import LEAST_CREDITS, USUAL_BATCH_BYTES, Admission
from vcci_server.metrics import Metrics


def admission(max_bytes: int = 100, max_streams: int = 2, credits: int = 8) -> Admission:
    return Admission(max_bytes=max_bytes, max_streams=max_streams, credits=credits, metrics=Metrics())


async def test_a_stream_too_many_is_told_when_to_try_again() -> None:
    bounds = admission()
    async with bounds.stream(), bounds.stream():
        with pytest.raises(Overloaded) as raised:
            async with bounds.stream():
                raise AssertionError
        assert raised.value.retry_after_s > 0
    async with bounds.stream():
        pass


async def test_credits_shrink_as_streams_share_the_room() -> None:
    bounds = admission(max_bytes=8 * USUAL_BATCH_BYTES, max_streams=5)
    async with AsyncExitStack() as open_streams:
        credits = [await open_streams.enter_async_context(bounds.stream()) for _ in range(5)]
    assert credits == [8, 4, 2, LEAST_CREDITS, LEAST_CREDITS]


async def test_a_batch_waits_for_room_and_the_first_goes_first() -> None:
    bounds = admission()
    await bounds.take(60)
    order: list[int] = []

    async def batch(number: int, size: int) -> None:
        await bounds.take(size)
        order.append(number)

    async with asyncio.TaskGroup() as tasks:
        large = tasks.create_task(batch(1, 50))
        await asyncio.wait([large], timeout=0)
        small = tasks.create_task(batch(2, 1))
        await asyncio.wait([small], timeout=0)
        assert order == []
        bounds.give_back(60)
    assert order == [1, 2]


async def test_a_batch_larger_than_all_the_room_takes_it_alone() -> None:
    bounds = admission()
    await bounds.take(1_000)
    waiting = asyncio.create_task(bounds.take(1))
    await asyncio.wait([waiting], timeout=0)
    assert not waiting.done()
    bounds.give_back(1_000)
    await waiting


async def test_a_cancelled_wait_lets_those_behind_it_through() -> None:
    bounds = admission()
    await bounds.take(60)
    large = asyncio.create_task(bounds.take(90))
    await asyncio.wait([large], timeout=0)
    small = asyncio.create_task(bounds.take(10))
    await asyncio.wait([small], timeout=0)
    large.cancel()
    await small
    bounds.give_back(70)
    await bounds.take(100)


async def test_a_wait_cancelled_as_it_is_granted_keeps_nothing() -> None:
    bounds = admission()
    await bounds.take(100)
    waiting = asyncio.create_task(bounds.take(100))
    await asyncio.wait([waiting], timeout=0)
    bounds.give_back(100)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    await bounds.take(100)
