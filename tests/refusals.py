"""What a call of the client is refused with."""

from collections.abc import AsyncIterator, Awaitable

import grpc
import pytest
from vcci_client.errors import ServerError


async def refusal(call: Awaitable[object]) -> tuple[grpc.StatusCode, str]:
    """Return the status and the reason of a call that must fail."""
    with pytest.raises(ServerError) as raised:
        await call
    return raised.value.code, raised.value.reason


async def first(items: AsyncIterator[object]) -> object:
    """Return the first of a stream."""
    return await anext(items)
