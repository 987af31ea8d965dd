"""Rates, and stored rows, of one tenant."""

import asyncio
from itertools import pairwise

import pytest
from vcci_engine.errors import QuotaExceeded
from vcci_server.metrics import Metrics
from vcci_server.usage import BURST_S, Quota, Rate, Usage


def passed(rate: Rate, times: list[float]) -> list[float]:
    """Return the times at which one is taken of those at which it is tried."""
    found = []
    for now in times:
        if rate.owed_s(now) <= 0:
            rate.take(1, now)
            found.append(now)
    return found


def test_a_rate_lets_a_burst_through_and_then_so_many_a_second() -> None:
    at = [1_000 + number / 1_024 for number in range(10 * 1_024 + 1)]  # ten seconds; in numbers that floats have
    taken = passed(Rate(8), at)
    assert taken[:9] == at[:9]
    assert len(taken) == 1 + 8 * (BURST_S + 10)
    assert {later - earlier for earlier, later in pairwise(taken[9:])} == {0.125}


def test_no_rate_lets_everything_through() -> None:
    rate = Rate(0)
    assert len(passed(rate, [0.0] * 1_000)) == 1_000


def test_what_is_larger_than_a_burst_makes_those_behind_it_wait() -> None:
    rate = Rate(100)
    rate.take(1_000, 50.0)
    assert rate.owed_s(50.0) == pytest.approx(10 - BURST_S)
    rate.give_back(1_000)
    assert rate.owed_s(50.0) <= 0


def usage(quota: Quota) -> Usage:
    return Usage("acme", quota, Metrics())


async def test_batches_beyond_the_rate_of_rows_go_in_turn_at_the_rate() -> None:
    metrics, order = Metrics(), list[int]()
    of = Usage("acme", Quota(rows_per_s=1_000), metrics)

    async def batch(number: int) -> None:
        await of.take(1, 500)
        order.append(number)

    async with asyncio.TaskGroup() as tasks:
        for number in range(4):
            tasks.create_task(batch(number))
    assert order == [0, 1, 2, 3]
    waited = metrics.registry.get_sample_value("vcci_quota_paced_seconds_total")
    assert waited == pytest.approx(0.5, abs=0.1), "the last one: 1,500 rows before it, 1,000 of them a burst"


async def test_a_wait_for_the_rate_that_is_cancelled_costs_those_behind_it_nothing() -> None:
    of = usage(Quota(rows_per_s=1))
    await of.take(1, 2)
    waiting = asyncio.create_task(of.take(1, 3_600))
    await asyncio.wait([waiting], timeout=0)
    waiting.cancel()
    await asyncio.wait([waiting])
    async with asyncio.timeout(60):
        await of.take(1, 1)


def test_a_batch_is_so_large_that_all_streams_have_a_turn_each_second() -> None:
    of = usage(Quota(rows_per_s=1_000))
    assert of.rows_at_once(25_000) == 1_000
    for _ in range(4):
        of.begin_stream()
    assert of.rows_at_once(25_000) == 250
    assert of.rows_at_once(10) == 10
    of.set_quota(Quota(rows_per_s=2))
    assert of.rows_at_once(25_000) == 1
    of.set_quota(Quota())
    assert of.rows_at_once(25_000) == 25_000


class Ledger:
    """Rows that are stored, and how often they were counted."""

    def __init__(self, rows: int = 0) -> None:
        self.rows = rows
        self.counts = 0

    async def count(self) -> int:
        self.counts += 1
        return self.rows


async def store(of: Usage, ledger: Ledger, rows: int, may: asyncio.Event | None = None) -> None:
    async with of.storing(rows, ledger.count):
        if may is not None:
            await may.wait()
        ledger.rows += rows


async def test_rows_up_to_the_quota_are_stored_and_not_one_more() -> None:
    of, ledger = usage(Quota(stored_rows=1_000)), Ledger(100)
    await store(of, ledger, 500)
    await store(of, ledger, 400)
    with pytest.raises(QuotaExceeded, match="1,000 rows stored") as raised:
        await store(of, ledger, 1)
    assert raised.value.retry_after_s is None
    assert ledger.rows == 1_000
    ledger.rows -= 500  # an upload is abandoned
    await store(of, ledger, 500)


async def test_rows_on_their_way_count() -> None:
    of, ledger, may = usage(Quota(stored_rows=10)), Ledger(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(store(of, ledger, 6, may))
        await asyncio.wait([first], timeout=0)
        second = tasks.create_task(_refused(of, ledger, 5))
        third = tasks.create_task(store(of, ledger, 4))
        await asyncio.wait([second], timeout=0)
        assert not second.done(), "the first may fail yet"
        may.set()
    assert third.done()
    assert ledger.rows == 10


async def _refused(of: Usage, ledger: Ledger, rows: int) -> None:
    with pytest.raises(QuotaExceeded):
        await store(of, ledger, rows)


async def test_rows_whose_storing_failed_do_not_count() -> None:
    of, ledger = usage(Quota(stored_rows=10)), Ledger()
    with pytest.raises(ValueError, match="no"):
        async with of.storing(10, ledger.count):
            raise ValueError("no")
    await store(of, ledger, 10)


async def test_the_ledger_is_not_counted_for_every_batch_nor_without_a_quota() -> None:
    of, ledger = usage(Quota(stored_rows=10_000)), Ledger()
    for _ in range(100):
        await store(of, ledger, 1)
    assert ledger.counts == 1
    of.set_quota(Quota())
    await store(of, ledger, 20_000)
    assert ledger.counts == 1
