"""Bounded polling: the only place where tests wait for time to pass."""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import TypeVar

T = TypeVar("T")
POLL_S = 0.02


async def until(condition: Callable[[], T | Awaitable[T]], timeout_s: float = 30) -> T:
    """Poll `condition`, plain or async, until its answer is true, and return that; fail after `timeout_s`."""
    answer: T | None = None
    try:
        async with asyncio.timeout(timeout_s) as limit:
            while not (answer := await _ask(condition)):  # noqa: ASYNC110  any condition, not an event
                await asyncio.sleep(POLL_S)
            return answer
    except TimeoutError:
        if not limit.expired():
            raise
        raise AssertionError(f"not within {timeout_s} s; the last answer was {answer!r}") from None


def wait_until(condition: Callable[[], T | Awaitable[T]], timeout_s: float = 30) -> T:
    """`until`, for tests without an event loop."""
    return asyncio.run(until(condition, timeout_s))


async def _ask(condition: Callable[[], T | Awaitable[T]]) -> T:
    answer = condition()
    return await answer if isawaitable(answer) else answer
