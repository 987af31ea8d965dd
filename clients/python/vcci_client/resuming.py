"""Streams of the server that go on where they broke."""

from collections.abc import AsyncGenerator, Callable
from typing import TypeVar

import grpc.aio

from vcci_client.connection import Connection, Pauses

PATIENCE_S = 60.0

Q = TypeVar("Q")
A = TypeVar("A")


async def resumed(
    connection: Connection,
    method: "grpc.aio.UnaryStreamMultiCallable[Q, A]",
    request: Q,
    note: Callable[[Q, A], object],
) -> AsyncGenerator[A]:
    """Yield the responses of a stream; `note` writes into the request where it goes on behind a response.

    While it gets nowhere for PATIENCE_S, it is tried again; then the server's error is raised.
    """
    pauses = Pauses(PATIENCE_S)
    ended = False
    while not ended:
        call = method(request, metadata=connection.metadata)
        try:
            async for response in call:
                note(request, response)
                pauses.progress()
                yield response
            ended = True
        except grpc.aio.AioRpcError as rpc_error:
            error = connection.error(rpc_error)
            if not connection.is_passing(error):
                raise error from None
            await pauses.wait(error)
        finally:
            call.cancel()
