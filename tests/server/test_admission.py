"""Bounds on what is under way, of all and of each tenant."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from vcci_engine.errors import Overloaded, QuotaExceeded
from vcci_server.admission import LEAST_CREDITS, USUAL_BATCH_BYTES, Admission
from vcci_server.auth import Means, Principal, Role
from vcci_server.metrics import Metrics
from vcci_server.quotas import Quotas
from vcci_server.usage import Quota

FIRST, SECOND = (
    Principal(number, f"tenant {number}", "somebody", frozenset({Role.UPLOADER}), Means.TOKEN, 1e10)
    for number in (1, 2)
)


def admission(max_bytes: int = 100, max_streams: int = 2, quota: Quota = Quota()) -> Admission:  # noqa: B008  frozen
    metrics = Metrics()
    quotas = Quotas(quota, metrics)
    return Admission(max_bytes=max_bytes, max_streams=max_streams, credits=8, metrics=metrics, quotas=quotas)


async def test_a_stream_too_many_is_told_when_to_try_again() -> None:
    bounds = admission()
    async with bounds.stream(FIRST), bounds.stream(SECOND):
        with pytest.raises(Overloaded) as raised:
            async with bounds.stream(FIRST):
                raise AssertionError
        assert raised.value.retry_after_s
    async with bounds.stream(FIRST):
        pass


async def test_a_stream_too_many_of_a_tenant_leaves_the_others_theirs() -> None:
    bounds = admission(max_streams=9, quota=Quota(streams=1))
    async with bounds.stream(FIRST):
        with pytest.raises(QuotaExceeded, match="1 streams open at once") as raised:
            async with bounds.stream(FIRST):
                raise AssertionError
        assert raised.value.retry_after_s
        assert raised.value.metadata == {"tenant": "tenant 1", "quota": "streams", "limit": "1"}
        async with bounds.stream(SECOND):
            pass
    async with bounds.stream(FIRST):
        pass


async def test_credits_shrink_as_streams_share_the_room() -> None:
    bounds = admission(max_bytes=8 * USUAL_BATCH_BYTES, max_streams=5)
    async with AsyncExitStack() as streams:
        credits = [(await streams.enter_async_context(bounds.stream(FIRST))).credits for _ in range(5)]
    assert credits == [8, 4, 2, LEAST_CREDITS, LEAST_CREDITS]


async def test_a_tenant_that_has_filled_its_memory_waits_and_the_others_do_not() -> None:
    bounds = admission(quota=Quota(in_flight_bytes=50))
    async with bounds.stream(FIRST) as greedy, bounds.stream(SECOND) as other:
        await greedy.take(50, 1)
        waiting = asyncio.create_task(greedy.take(1, 1))
        await asyncio.wait([waiting], timeout=0)
        assert not waiting.done()
        await other.take(50, 1)
        greedy.give_back(50)
        await waiting


async def test_a_wait_that_is_cancelled_holds_nothing_of_the_tenant() -> None:
    bounds = admission(quota=Quota(in_flight_bytes=60))
    async with bounds.stream(FIRST) as first, bounds.stream(SECOND) as second:
        await second.take(60, 1)
        waiting = asyncio.create_task(first.take(60, 1))
        await asyncio.wait([waiting], timeout=0)
        waiting.cancel()
        await asyncio.wait([waiting])
        second.give_back(60)
        await first.take(60, 1)
