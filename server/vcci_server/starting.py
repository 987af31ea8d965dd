"""Waiting for the database at the start, while health says that this server does not serve yet."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio
from vcci_engine.errors import Unavailable

from vcci_server.listening import address_of, taken
from vcci_server.service import SERVICES
from vcci_server.serving import bare_server, listen
from vcci_server.settings import Settings, split_address
from vcci_server.storage.pool import storage_errors
from vcci_server.tls import server_credentials

FIRST_DELAY_S, LONGEST_DELAY_S = 0.1, 2.0
CONNECT_TIMEOUT_S = 5.0

logger = logging.getLogger(__name__)


async def wait_for_database(url: str, patience_s: float) -> None:
    """Try again and again, more and more slowly; raise Unavailable when patience has run out."""
    delay_s = FIRST_DELAY_S
    try:
        async with asyncio.timeout(patience_s):
            while not await answers(url):
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, LONGEST_DELAY_S)
    except TimeoutError:
        raise Unavailable(f"The database did not answer within {patience_s:g} s") from None
    logger.info("the database answers")


async def answers(url: str) -> bool:
    """Whether the database takes connections; it may refuse this one for good, which is raised."""
    try:
        with storage_errors():
            db = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S)
    except Unavailable:
        return False
    await db.close()
    return True


@asynccontextmanager
async def not_serving(server: grpc.aio.Server, services: Sequence[str]) -> AsyncIterator[None]:
    """Answer nothing but health, with NOT_SERVING, until the end of the body; the server has its port already."""
    servicer = aio.HealthServicer()
    for service in ("", *services):
        await servicer.set(service, health_pb2.HealthCheckResponse.NOT_SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    await server.start()
    try:
        yield
    finally:
        await server.stop(None)


async def show_waiting(settings: Settings) -> None:
    """Say that this server does not serve yet, in the log and by health where its port is known, until it can."""
    logger.warning("waiting for the database: it does not answer", extra={"patience_s": settings.database_wait_s})
    async with AsyncExitStack() as stack:
        host, port = split_address(settings.listen)
        if port:
            server = bare_server(settings)
            with taken("VCCI_LISTEN", settings.listen):
                listen(server, address_of(host, port), server_credentials(settings))
            await stack.enter_async_context(not_serving(server, SERVICES))
        await wait_for_database(settings.database_url, settings.database_wait_s)
