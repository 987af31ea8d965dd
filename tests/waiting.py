"""Bounded polling: the only place where tests wait for time to pass."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, TypeVar, overload

T = TypeVar("T")
POLL_S = 0.02


@overload
async def until(condition: Callable[[], Awaitable[T]], timeout_s: float = 30) -> T: ...
@overload
async def until(condition: Callable[[], T], timeout_s: float = 30) -> T: ...
async def until(condition: Callable[[], Any], timeout_s: float = 30) -> Any:
    """Poll `condition`, plain or async, until its answer is true, and return that; fail after `timeout_s`."""
    answer = None
    try:
        async with asyncio.timeout(timeout_s) as limit:
            while not (answer := await _ask(condition)):  # noqa: ASYNC110  any condition, not an event
                await asyncio.sleep(POLL_S)
            return answer
    except TimeoutError:
        if not limit.expired():
            raise
        raise AssertionError(f"not within {timeout_s} s; the last answer was {answer!r}") from None


async def passing(seconds: float) -> None:
    """Let time pass: for a fault that lasts."""
    await asyncio.sleep(seconds)


def wait_until(condition: Callable[[], T], timeout_s: float = 30) -> T:
    """`until` for a plain condition, where nothing can be awaited: it blocks the event loop, if there is one."""
    deadline_s = time.monotonic() + timeout_s
    while not (answer := condition()):
        if time.monotonic() > deadline_s:
            raise AssertionError(f"not within {timeout_s} s; the last answer was {answer!r}")
        time.sleep(POLL_S)
    return answer


async def _ask(condition: Callable[[], Any]) -> Any:
    answer = condition()
    return await answer if isawaitable(answer) else answer
