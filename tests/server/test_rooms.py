"""Memory for batches is given first come, first served."""

import asyncio

from vcci_server.rooms import Room


async def begun(*takes: "asyncio.Task[None]") -> None:
    """Let takes run until they wait or have ended."""
    await asyncio.wait(takes, timeout=0)


async def test_a_batch_waits_for_room_and_the_first_goes_first() -> None:
    room = Room(100)
    await room.take(60)
    order: list[int] = []

    async def batch(number: int, size: int) -> None:
        await room.take(size)
        order.append(number)

    async with asyncio.TaskGroup() as tasks:
        await begun(tasks.create_task(batch(1, 50)))
        await begun(tasks.create_task(batch(2, 1)))
        assert order == []
        room.give_back(60)
    assert order == [1, 2]
    assert room.taken == 51


async def test_a_batch_larger_than_all_the_room_takes_it_alone() -> None:
    room = Room(100)
    await room.take(1_000)
    waiting = asyncio.create_task(room.take(1))
    await begun(waiting)
    assert not waiting.done()
    room.give_back(1_000)
    await waiting


async def test_a_cancelled_wait_lets_those_behind_it_through() -> None:
    room = Room(100)
    await room.take(60)
    large = asyncio.create_task(room.take(90))
    await begun(large)
    small = asyncio.create_task(room.take(10))
    await begun(small)
    large.cancel()
    await small
    room.give_back(70)
    await room.take(100)


async def test_a_wait_cancelled_as_it_is_granted_keeps_nothing() -> None:
    room = Room(100)
    await room.take(100)
    waiting = asyncio.create_task(room.take(100))
    await begun(waiting)
    room.give_back(100)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert room.taken == 0


async def test_room_without_a_size_is_never_full() -> None:
    room = Room(0)
    for _ in range(3):
        await room.take(1 << 40)
    assert room.taken == 3 << 40


async def test_those_who_wait_go_on_when_the_room_grows() -> None:
    room = Room(10)
    await room.take(10)
    waiting = asyncio.create_task(room.take(10))
    await begun(waiting)
    room.resize(20)
    await waiting
    room.resize(5)
    room.give_back(20)
    await room.take(5)
    assert room.taken == 5
