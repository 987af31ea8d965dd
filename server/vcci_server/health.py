"""grpc.health.v1: serving only while the database answers and the factors are loaded."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from grpc_health.v1.health import aio
from grpc_health.v1.health_pb2 import HealthCheckResponse

CHECK_EVERY_S = 2.0
CHECK_WITHIN_S = 5.0

logger = logging.getLogger(__name__)

Check = Callable[[], Awaitable[object]]  # raises when the server cannot serve


class Health:
    """The health of all services together; `servicer` tells it."""

    def __init__(self, check: Check, services: list[str]) -> None:
        self.servicer = aio.HealthServicer()
        self._check = check
        self._services = ["", *services]
        self.serving: bool | None = None  # None: not checked yet

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[None]:
        """Check now, and then every few seconds, until the end of the body."""
        await self._update()
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def stop_serving(self) -> None:
        """Tell NOT_SERVING from now on: the server drains."""
        await self.servicer.enter_graceful_shutdown()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            await self._update()

    async def _update(self) -> None:
        serving = await self._is_serving()
        if serving == self.serving:
            return
        self.serving = serving
        status = HealthCheckResponse.SERVING if serving else HealthCheckResponse.NOT_SERVING
        for service in self._services:
            await self.servicer.set(service, status)

    async def _is_serving(self) -> bool:
        try:
            async with asyncio.timeout(CHECK_WITHIN_S):
                await self._check()
        except Exception as error:  # whatever it is: a watch that has ended would go on saying SERVING
            if self.serving is not False:
                logger.warning("not serving: %s", str(error) or "the database does not answer in time")
            return False
        return True
