"""A server from its start to its end: made, listening, serving, drained."""

import asyncio
import gc
import logging
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from vcci_server.database import database
from vcci_server.listening import Listening, address_of, taken
from vcci_server.metrics import Metrics, serve_metrics
from vcci_server.parts import make_parts
from vcci_server.service import Service
from vcci_server.serving import listen
from vcci_server.settings import Settings, split_address
from vcci_server.starting import answers, show_waiting
from vcci_server.tasks import running
from vcci_server.tls import server_credentials

COLLECT_EVERY = 20_000  # objects that were made and are left; 700 by default

logger = logging.getLogger(__name__)


async def run(settings: Settings, announce: Callable[[Listening], None]) -> None:
    """Serve until SIGTERM or SIGINT, then drain and close."""
    stop = asyncio.Event()
    starting = asyncio.current_task()

    def on_signal() -> None:
        stop.set()
        if starting is not None:
            starting.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    try:
        async with opened(settings) as service:
            starting = None
            _keep_what_is_loaded()
            announce(service.listening)
            await stop.wait()
            await service.drain(settings.drain_s)
    except asyncio.CancelledError:
        if starting is None or not stop.is_set():
            raise


def _keep_what_is_loaded() -> None:
    """Have the collector leave alone what lives as long as the process, and look less often: it took 5 % of ingest."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY, 10, 10)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Service]:
    """A service that answers calls until the end of the body."""
    async with AsyncExitStack() as stack:
        metrics = Metrics()
        metrics_host, metrics_port = split_address(settings.metrics_listen)
        with taken("VCCI_METRICS_LISTEN", settings.metrics_listen):
            metrics_port = stack.enter_context(serve_metrics(metrics.registry, metrics_host, metrics_port))
        host, port = split_address(settings.listen)
        database_url = await stack.enter_async_context(database(settings))
        if settings.database_url and not await answers(database_url):
            await show_waiting(settings)
        parts = await make_parts(settings, database_url, metrics, stack)
        service = Service(settings, parts)
        await stack.enter_async_context(service.health.watch())
        await stack.enter_async_context(running(service.deadlines.watch()))
        with taken("VCCI_LISTEN", settings.listen):
            port = listen(service.server, address_of(host, port), server_credentials(settings))
        await service.server.start()
        await stack.enter_async_context(running(service.watch_load()))
        stack.push_async_callback(service.server.stop, None)
        service.listening = Listening(address_of(host, port), address_of(metrics_host, metrics_port))
        logger.info("serving", extra={"listening": service.listening.grpc, "metrics": service.listening.metrics})
        yield service
