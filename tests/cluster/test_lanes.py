"""Lanes share the slots by weight, keep to their limits, and never lose a slot."""

import asyncio
from collections import Counter

import pytest
from vcci_cluster.lanes import FairSlots, Lane
from vcci_engine.errors import Overloaded

from tests.waiting import until

HEAVY, LIGHT = Lane("heavy", weight=3), Lane("light", weight=1)


async def queue(slots: FairSlots, order: list[str], lane: str, cost_s: float, works: int) -> list[asyncio.Task[None]]:
    async def work() -> None:
        await slots.acquire(lane, cost_s)
        order.append(lane)

    waiting = slots.waiting(lane) + works
    tasks = [asyncio.create_task(work()) for _ in range(works)]
    await until(lambda: slots.waiting(lane) == waiting)
    return tasks


async def pass_on(slots: FairSlots, order: list[str], held: str, times: int) -> list[str]:
    """Give the one slot from work to work; return the lanes that had it."""
    seen = []
    for _ in range(times):
        order.clear()
        slots.release(held, 1.0)
        held = (await until(order.copy))[0]
        seen.append(held)
    return seen


async def first_of(slots: FairSlots, heavy_cost_s: float, light_cost_s: float, count: int) -> Counter[str]:
    order: list[str] = []
    await slots.acquire("light", light_cost_s)
    await queue(slots, order, "light", light_cost_s, 30)
    await queue(slots, order, "heavy", heavy_cost_s, 30)
    return Counter(await pass_on(slots, order, "light", count))


async def test_lanes_get_turns_by_weight_while_both_wait() -> None:
    turns = await first_of(FairSlots(1, [HEAVY, LIGHT]), 1.0, 1.0, 24)
    assert 17 <= turns["heavy"] <= 19


async def test_shares_are_of_time_not_of_turns() -> None:
    turns = await first_of(FairSlots(1, [HEAVY, LIGHT]), 0.3, 0.1, 24)
    assert 11 <= turns["heavy"] <= 13


async def test_an_idle_lane_saves_up_no_share() -> None:
    slots, order = FairSlots(1, [HEAVY, LIGHT]), list[str]()
    for _ in range(50):
        await slots.acquire("light", 1.0)
        slots.release("light", 1.0)
    await slots.acquire("light", 1.0)
    await queue(slots, order, "heavy", 1.0, 6)
    await queue(slots, order, "light", 1.0, 2)
    seen = await pass_on(slots, order, "light", 8)
    assert seen.index("light") < 6, "heavy had no work for long, and may not make up for that"


async def test_a_free_slot_is_used_whatever_the_weights() -> None:
    slots = FairSlots(2, [HEAVY, LIGHT])
    await slots.acquire("light", 1.0)
    await slots.acquire("light", 1.0)
    assert slots.waiting("light") == 0


async def test_a_lane_keeps_to_its_limit_of_works_in_flight() -> None:
    slots, order = FairSlots(3, [Lane("heavy", 3, in_flight=1), LIGHT]), list[str]()
    await slots.acquire("heavy", 1.0)
    await queue(slots, order, "heavy", 1.0, 1)
    await slots.acquire("light", 1.0)
    assert order == []
    slots.release("heavy", 1.0)
    await until(lambda: order == ["heavy"])


async def test_long_works_leave_a_slot_to_short_ones() -> None:
    slots, order = FairSlots(3, [HEAVY, LIGHT], spared=1), list[str]()
    await slots.acquire("heavy", 60.0)
    await slots.acquire("heavy", 60.0)
    await queue(slots, order, "heavy", 60.0, 1)
    await slots.acquire("light", 0.1)
    slots.release("light", 0.1)
    assert order == []
    slots.release("heavy", 60.0)
    await until(lambda: order == ["heavy"])


async def test_works_that_run_at_once_take_slots_more_and_the_others_give_way() -> None:
    slots, order = FairSlots(2, [HEAVY, Lane("reading", 1, at_once=True)]), list[str]()
    await slots.acquire("heavy", 0.1)
    await slots.acquire("heavy", 0.1)
    await slots.acquire("reading", 0.1)
    await slots.acquire("reading", 0.1)
    await queue(slots, order, "reading", 0.1, 1)
    await queue(slots, order, "heavy", 0.1, 2)
    slots.release("heavy", 0.1)
    assert order == [], "one heavy work is left, and two that read"
    slots.release("heavy", 0.1)
    await until(lambda: order == ["heavy"])
    slots.release("reading", 0.1)
    await until(lambda: order == ["heavy", "reading"])
    slots.release("reading", 0.1)
    slots.release("reading", 0.1)
    await until(lambda: order == ["heavy", "reading", "heavy"])


async def test_the_only_slot_serves_long_works_too() -> None:
    slots = FairSlots(1, [HEAVY, LIGHT], spared=1)
    await slots.acquire("heavy", 60.0)
    assert slots.running("heavy") == 1


async def test_a_full_lane_refuses_the_next_work_and_only_that() -> None:
    slots, order = FairSlots(1, [Lane("heavy", 3, waiting=2), LIGHT]), list[str]()
    await slots.acquire("heavy", 1.0)
    await queue(slots, order, "heavy", 1.0, 2)
    with pytest.raises(Overloaded, match="2 works wait in lane heavy"):
        await slots.acquire("heavy", 1.0)
    await queue(slots, order, "light", 1.0, 1)
    assert slots.waiting("heavy") == 2


async def test_a_cancelled_waiter_leaves_its_lane() -> None:
    slots, order = FairSlots(1, [HEAVY, LIGHT]), list[str]()
    await slots.acquire("heavy", 1.0)
    first, second = await queue(slots, order, "heavy", 1.0, 2)
    first.cancel()
    await asyncio.wait([first])
    assert slots.waiting("heavy") == 1
    slots.release("heavy", 1.0)
    await second


async def test_a_waiter_cancelled_in_the_moment_of_its_grant_gives_the_slot_back() -> None:
    slots, order = FairSlots(1, [HEAVY, LIGHT]), list[str]()
    await slots.acquire("heavy", 1.0)
    (task,) = await queue(slots, order, "heavy", 1.0, 1)
    slots.release("heavy", 1.0)
    task.cancel()
    await asyncio.wait([task])
    assert order == []
    async with asyncio.timeout(10):
        await slots.acquire("light", 1.0)
