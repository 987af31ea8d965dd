"""Servicers behind a boundary, on a server and a port of their own."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from vcci_server.auth import Authenticator, DevelopmentTokens
from vcci_server.boundary import Boundary
from vcci_server.metrics import Metrics
from vcci_server.serving import grpc_server
from vcci_server.settings import Settings
from vcci_server.storage import tenants
from vcci_server.storage.pool import Pool
from vcci_server.validation import CallLimits

MAX_MESSAGE_BYTES = 4 << 20

Add = Callable[[Any, Any], None]  # `add_…Servicer_to_server` of a service


def boundary_of(pool: Pool, secret: str, metrics: Metrics | None = None) -> Boundary:
    """Return one that takes tokens signed with `secret` of tenants that the database has."""
    authenticator = Authenticator(DevelopmentTokens(secret), partial(tenants.tenant_id, pool))
    return Boundary(authenticator, metrics or Metrics(), CallLimits(MAX_MESSAGE_BYTES))


@asynccontextmanager
async def behind(boundary: Boundary, *servicers: tuple[Add, object]) -> AsyncIterator[str]:
    """Serve until the end of the body; yield the address."""
    for add, servicer in servicers:
        add(servicer, boundary)
    server = grpc_server(Settings(), boundary)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)
