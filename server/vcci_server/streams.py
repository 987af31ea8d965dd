"""What the streams of clients and servers share."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TypeVar

from vcci_engine.errors import Overloaded

SILENCE_S = 60.0
MOST_IGNORED = 1_000

R = TypeVar("R")


async def next_request(requests: AsyncIterator[R]) -> R | None:
    """Return the next request, None at the end; a caller who falls silent does not keep others from importing."""
    try:
        async with asyncio.timeout(SILENCE_S):
            return await anext(requests, None)
    except TimeoutError:
        raise Overloaded(f"nothing was sent for {SILENCE_S:g} s, and others may be waiting") from None


async def ignore_rest(requests: AsyncIterator[R]) -> None:
    """Read what comes after a request that is refused: a client that is still sending would not see why it was."""
    for _ in range(MOST_IGNORED):
        if await next_request(requests) is None:
            return


async def ahead(source: AsyncGenerator[R]) -> AsyncGenerator[R]:
    """Yield what `source` does, each while the next is being made; close it at the end."""
    following = asyncio.ensure_future(anext(source, None))
    try:
        while (item := await following) is not None:
            following = asyncio.ensure_future(anext(source, None))
            yield item
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await source.aclose()
