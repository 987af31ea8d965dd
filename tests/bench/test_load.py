"""The generator of calls."""

import asyncio

import numpy as np

from bench.load import Outcome, arrivals_s, closed_loop, open_loop


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

    outcome = await open_loop([call], rate=2_000, duration_s=0.01)
    assert len(outcome.latencies_s) == len(due) == 20
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

    outcome = await closed_loop([call], callers=5, duration_s=0.01)
    assert most == 5
    assert len(outcome.latencies_s) >= 5


def test_calls_are_due_at_the_same_moments_for_everybody() -> None:
    due = arrivals_s(rate=100, duration_s=50)
    assert np.array_equal(due, arrivals_s(rate=100, duration_s=50))
    assert 45 < due[-1] < 55
    assert (np.diff(due) > 0).all()


def test_percentiles_are_latencies_that_occurred() -> None:
    figures = Outcome(2.0, np.arange(1, 101) / 1e3).figures()
    assert figures == {"calls/s": 50.0, "p50 ms": 51.0, "p99 ms": 100.0, "p99.9 ms": 100.0}
