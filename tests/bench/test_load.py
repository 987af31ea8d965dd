"""The generator of calls."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import islice, repeat

import grpc
import grpc.aio
import numpy as np
import pytest

pytest.importorskip("hdrh", reason="hdrhistogram has no wheel here")

from bench.load import CallsFailed, Outcome, arrivals_s, closed_loop, draw, open_loop


async def test_open_loop_begins_calls_whatever_the_answers_do_and_counts_from_when_they_were_due() -> None:
    due = arrivals_s(rate=2_000, duration_s=0.01)
    all_began = asyncio.Event()
    began = 0

    async def call() -> bytes:
        nonlocal began
        began += 1
        if began == len(due):
            all_began.set()
        await all_began.wait()  # a closed loop would never come to the last call
        return b""

    outcome = await open_loop(repeat(call), due)
    assert len(outcome.latencies_s) == len(due) == 20
    assert np.allclose(sorted(outcome.due_s), due)
    assert outcome.latencies_s.max() >= due[-1] - due[0]


async def test_closed_loop_has_as_many_calls_under_way_as_callers() -> None:
    under_way, most = 0, 0
    everybody_calls = asyncio.Event()

    async def call() -> bytes:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if under_way == 5:
            everybody_calls.set()
        await everybody_calls.wait()
        under_way -= 1
        return b""

    outcome = await closed_loop([repeat(call)] * 5, duration_s=0.01)
    assert most == 5
    assert len(outcome.latencies_s) >= 5


async def test_callers_pause_before_each_call_and_only_what_follows_counts() -> None:
    async def call() -> bytes:
        return b""

    outcome = await closed_loop([repeat(call)] * 20, duration_s=0.05, pause_s=(0.02, 0.03))
    assert len(outcome.due_s) in range(20, 2 * 20 + 1)  # one call or two each
    assert outcome.due_s.min() >= 0.02


async def test_calls_that_fail_are_counted_by_status_and_are_no_latencies() -> None:
    refused = grpc.aio.AioRpcError(
        grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.aio.Metadata(), grpc.aio.Metadata(), details="too much"
    )

    async def fails() -> bytes:
        raise refused

    async def works() -> bytes:
        return b""

    calls: list[Callable[[], Awaitable[bytes]]] = [works, fails]
    outcome = await open_loop((calls[number % 2] for number in range(10)), arrivals_s(1_000, 0.01))
    assert Counter(outcome.statuses) == {"OK": 5, "RESOURCE_EXHAUSTED": 5}
    assert len(outcome.latencies) == 5
    with pytest.raises(CallsFailed, match="RESOURCE_EXHAUSTED"):
        outcome.all_answered()


def test_calls_are_due_at_the_same_moments_for_everybody() -> None:
    due = arrivals_s(rate=100, duration_s=50)
    assert due == arrivals_s(rate=100, duration_s=50)
    assert 45 < due[-1] < 55
    assert (np.diff(due) > 0).all()


def test_methods_are_drawn_each_as_often_and_connections_in_turn() -> None:
    async def call() -> bytes:
        return b""

    async def other() -> bytes:
        return b""

    async def elsewhere() -> bytes:
        return b""

    drawn = list(islice(draw([[call, other], [elsewhere, elsewhere]]), 4_000))
    assert set(drawn[1::2]) == {elsewhere}
    assert 900 < drawn.count(call) < 1_100
    assert drawn == list(islice(draw([[call, other], [elsewhere, elsewhere]]), 4_000))


def test_percentiles_are_of_the_calls_that_were_answered() -> None:
    latencies_s = np.arange(1, 101) / 1e3
    figures = Outcome(2.0, latencies_s, latencies_s, ["OK"] * 100).figures()
    assert figures == pytest.approx(
        {"calls/s": 50, "p50 ms": 50, "p95 ms": 95, "p99 ms": 99, "p99.9 ms": 100}, rel=1e-3
    )
