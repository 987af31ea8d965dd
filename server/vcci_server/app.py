"""The one place where the parts are made and put together, served, and drained."""

import asyncio
import gc
import logging
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import asyncpg
import grpc.aio
from google.longrunning import operations_pb2_grpc, operations_proto_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from vcci.v1 import (
    audit_service_pb2,
    audit_service_pb2_grpc,
    calculation_service_pb2,
    calculation_service_pb2_grpc,
    emission_service_pb2,
    emission_service_pb2_grpc,
    factor_service_pb2,
    factor_service_pb2_grpc,
    hotspot_service_pb2,
    hotspot_service_pb2_grpc,
    operation_service_pb2,
    operation_service_pb2_grpc,
    price_service_pb2,
    price_service_pb2_grpc,
    report_service_pb2,
    report_service_pb2_grpc,
    run_service_pb2,
    run_service_pb2_grpc,
    supplier_service_pb2,
    supplier_service_pb2_grpc,
    upload_service_pb2,
    upload_service_pb2_grpc,
)
from vcci_cluster import Executor, open_executor

from vcci_server.admission import Admission
from vcci_server.audit import AuditServicer
from vcci_server.auth import Authenticator, DevelopmentTokens, NoTokens, Tokens, load_secret
from vcci_server.boundary import Boundary
from vcci_server.cache import FactorCache
from vcci_server.calculations import CalculationServicer
from vcci_server.denials import Denials
from vcci_server.emissions import EmissionServicer
from vcci_server.factors import FactorServicer, ensure_starter
from vcci_server.health import Health
from vcci_server.hotspots import HotspotServicer
from vcci_server.identities import Identities
from vcci_server.issuer import Issuer
from vcci_server.keeping import Keeping
from vcci_server.keys import KeySet
from vcci_server.listening import Listening, address_of, taken
from vcci_server.metrics import Metrics, serve_metrics
from vcci_server.operation_tasks import Tasks
from vcci_server.operation_work import OperationWork
from vcci_server.operations import OperationServicer, OperationsServicer
from vcci_server.prices import PriceServicer
from vcci_server.recalculation import Recalculation
from vcci_server.reports import ReportServicer
from vcci_server.runs import RunServicer
from vcci_server.settings import Settings, SettingsError, is_loopback, split_address
from vcci_server.snapshots import Snapshots
from vcci_server.starting import answers, not_serving, wait_for_database
from vcci_server.storage import tenants
from vcci_server.storage.background import Background
from vcci_server.storage.embedded import embedded_database
from vcci_server.storage.migrate import migrate, missing
from vcci_server.storage.partitions import PartitionKeeper
from vcci_server.storage.pool import READER, WRITER, Pool, active_connections, connection, open_pool, storage_errors
from vcci_server.storage.summing import on_executor
from vcci_server.storage.supplier_lists import SupplierReader
from vcci_server.storage.suppliers import SupplierStore
from vcci_server.suppliers import SupplierServicer
from vcci_server.tasks import running
from vcci_server.tls import server_credentials
from vcci_server.uploads import UploadServicer, UploadServices

SERVICES = [
    descriptor.services_by_name[name].full_name
    for descriptor, name in (
        (upload_service_pb2.DESCRIPTOR, "UploadService"),
        (calculation_service_pb2.DESCRIPTOR, "CalculationService"),
        (supplier_service_pb2.DESCRIPTOR, "SupplierService"),
        (factor_service_pb2.DESCRIPTOR, "FactorService"),
        (price_service_pb2.DESCRIPTOR, "PriceService"),
        (emission_service_pb2.DESCRIPTOR, "EmissionService"),
        (run_service_pb2.DESCRIPTOR, "RunService"),
        (operation_service_pb2.DESCRIPTOR, "OperationService"),
        (operations_proto_pb2.DESCRIPTOR, "Operations"),
        (hotspot_service_pb2.DESCRIPTOR, "HotspotService"),
        (report_service_pb2.DESCRIPTOR, "ReportService"),
        (audit_service_pb2.DESCRIPTOR, "AuditService"),
    )
]
COLLECT_EVERY = 20_000  # objects that were made and are left; 700 by default
METADATA_BYTES = 32 << 10  # the boundary refuses a quarter of it and says why; beyond, gRPC itself refuses
PING_MS, PING_TIMEOUT_MS = 30_000, 10_000  # a client that has gone silently is found after 40 s
HANDSHAKE_MS = 5_000  # for a client that has connected to say that it speaks HTTP/2
# Calls that wait to be taken up. gRPC's own thousand is filled by one client that resets what it calls at once, and
# then the calls of others are ended: this is more than the connections of a few such clients may have.
MAX_WAITING_CALLS = 20_000
LEAST_GRACE_S = 1.0

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
async def opened(settings: Settings) -> AsyncIterator["Service"]:
    """A service that answers calls until the end of the body."""
    async with AsyncExitStack() as stack:
        metrics = Metrics()
        metrics_host, metrics_port = split_address(settings.metrics_listen)
        with taken("VCCI_METRICS_LISTEN", settings.metrics_listen):
            metrics_port = stack.enter_context(serve_metrics(metrics.registry, metrics_host, metrics_port))
        host, port = split_address(settings.listen)
        database_url = await stack.enter_async_context(database(settings))
        if settings.database_url and not await answers(database_url):
            await _wait_for_database(settings)
        parts = await _make(settings, database_url, metrics, stack)
        service = Service(settings, parts)
        await stack.enter_async_context(service.health.watch())
        with taken("VCCI_LISTEN", settings.listen):
            port = _listen(service.server, address_of(host, port), server_credentials(settings))
        await service.server.start()
        stack.push_async_callback(service.server.stop, None)
        service.listening = Listening(address_of(host, port), address_of(metrics_host, metrics_port))
        logger.info("serving", extra={"listening": service.listening.grpc, "metrics": service.listening.metrics})
        yield service


def _listen(server: grpc.aio.Server, address: str, credentials: grpc.ServerCredentials | None) -> int:
    return server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the servicers work with."""

    metrics: Metrics
    pool: Pool  # of the service itself: every tenant's rows
    reader: Pool  # these two: of the tenant that calls
    writer: Pool
    tenant_id: int  # of the default tenant
    executor: Executor
    factors: FactorCache
    partitions: PartitionKeeper
    suppliers: SupplierStore
    keeping: Keeping
    denials: Denials
    authenticator: Authenticator
    hotspots: HotspotServicer
    reports: ReportServicer


async def _make(settings: Settings, database_url: str, metrics: Metrics, stack: AsyncExitStack) -> _Parts:
    await _ensure_schema(database_url, settings)
    pool = await stack.enter_async_context(
        open_pool(database_url, size=-(-settings.database_connections // 2), observe=metrics.observe_query)
    )
    reader, writer = [
        await stack.enter_async_context(
            open_pool(database_url, size=settings.database_connections, observe=metrics.observe_query, role=role)
        )
        for role in (READER, WRITER)
    ]
    metrics.connections_active.set_function(lambda: active_connections(pool, reader, writer))
    denials = Denials(pool)
    await stack.enter_async_context(denials.writing())
    tenant_id = await tenants.ensure_tenant(pool, tenants.DEFAULT)
    await ensure_starter(pool, tenant_id)
    snapshots = None
    if settings.redis_url:
        snapshots = await stack.enter_async_context(
            Snapshots(settings.redis_url, secret_of(settings), metrics.redis_tier)
        )
    factors = await stack.enter_async_context(
        FactorCache(pool, database_url, tier=metrics.process_tier, snapshots=snapshots)
    )
    executor = await stack.enter_async_context(_executor(settings, metrics))
    partitions, suppliers = PartitionKeeper(pool), SupplierStore(writer)
    keeping = Keeping(writer, partitions, suppliers)
    await stack.enter_async_context(keeping.running())
    hotspots, reports = HotspotServicer(reader, executor), ReportServicer(writer, executor)
    beside = (Recalculation(pool, executor).run, OperationWork(pool, Tasks(hotspots, reports)).run)
    background = Background(database_url, pool, partitions, executor, observe=metrics.observe_work, beside=beside)
    await stack.enter_async_context(running(background.run()))
    authenticator = await stack.enter_async_context(_authenticator(settings, pool))
    return _Parts(
        metrics=metrics,
        pool=pool,
        reader=reader,
        writer=writer,
        tenant_id=tenant_id,
        executor=executor,
        factors=factors,
        partitions=partitions,
        suppliers=suppliers,
        keeping=keeping,
        denials=denials,
        authenticator=authenticator,
        hotspots=hotspots,
        reports=reports,
    )


@asynccontextmanager
async def _authenticator(settings: Settings, pool: Pool) -> AsyncIterator[Authenticator]:
    """Who checks tokens and certificates, by files and keys that are followed."""
    keys = KeySet(settings.jwks) if settings.jwks else None
    identities = Identities(settings.tls_identities) if settings.tls_identities else None
    tenant_id = partial(tenants.tenant_id, pool)
    authenticator = Authenticator(_tokens(settings, keys), tenant_id, certificates=identities)
    async with AsyncExitStack() as stack:
        for source in (keys, identities):
            if source is not None:
                source.on_change = authenticator.forget
                await stack.enter_async_context(running(source.follow()))
        yield authenticator


def _tokens(settings: Settings, keys: KeySet | None) -> Tokens:
    """Return those that are taken: of the issuer, else, on loopback alone, those for development."""
    if keys is not None:
        return _issuer(settings, keys)
    return DevelopmentTokens(secret_of(settings)) if is_loopback("listen", settings.listen) else NoTokens()


def _issuer(settings: Settings, keys: KeySet) -> Issuer:
    return Issuer(
        keys,
        settings.jwt_issuer,
        settings.jwt_audience,
        settings.jwt_skew_s,
        settings.jwt_tenant_claim,
        settings.jwt_roles_claim,
    )


class Service:
    """The gRPC server with all its servicers."""

    listening: Listening

    def __init__(self, settings: Settings, parts: _Parts) -> None:
        self.health = Health(partial(_check, parts), SERVICES)
        boundary = Boundary(parts.authenticator, parts.metrics, settings.max_message_bytes, parts.denials)
        self.server = _server(settings, boundary)
        admission = Admission(
            max_bytes=settings.max_in_flight_bytes,
            max_streams=settings.max_streams,
            credits=settings.credits,
            metrics=parts.metrics,
        )
        limits = settings.batch_limits
        self._runs = RunServicer(parts.writer, parts.executor)
        self._operations = OperationServicer(parts.writer, self._runs)
        self._uploads = UploadServicer(
            UploadServices(
                pool=parts.writer,
                keeper=parts.partitions,
                suppliers=parts.suppliers,
                factors=parts.factors,
                executor=parts.executor,
                admission=admission,
                metrics=parts.metrics,
                limits=limits,
                operations=self._operations,
            )
        )
        self._calculations = CalculationServicer(
            parts.factors, parts.executor, admission, parts.keeping, limits, parts.reader, self._runs
        )
        self._register(parts)

    def _register(self, parts: _Parts) -> None:
        server = self.server
        upload_service_pb2_grpc.add_UploadServiceServicer_to_server(self._uploads, server)
        calculation_service_pb2_grpc.add_CalculationServiceServicer_to_server(self._calculations, server)
        run_service_pb2_grpc.add_RunServiceServicer_to_server(self._runs, server)
        operations = OperationsServicer(parts.writer, self._runs)
        operations_pb2_grpc.add_OperationsServicer_to_server(operations, server)  # type: ignore[no-untyped-call]
        operation_service_pb2_grpc.add_OperationServiceServicer_to_server(self._operations, server)
        reader = SupplierReader(parts.reader, on_executor(parts.executor, "reading"))
        supplier_service_pb2_grpc.add_SupplierServiceServicer_to_server(
            SupplierServicer(parts.suppliers, reader), server
        )
        factor_service_pb2_grpc.add_FactorServiceServicer_to_server(FactorServicer(parts.writer, parts.factors), server)
        price_service_pb2_grpc.add_PriceServiceServicer_to_server(PriceServicer(parts.writer, parts.factors), server)
        emission_service_pb2_grpc.add_EmissionServiceServicer_to_server(
            EmissionServicer(parts.reader, parts.executor), server
        )
        hotspot_service_pb2_grpc.add_HotspotServiceServicer_to_server(parts.hotspots, server)
        report_service_pb2_grpc.add_ReportServiceServicer_to_server(parts.reports, server)
        audit_service_pb2_grpc.add_AuditServiceServicer_to_server(AuditServicer(parts.reader), server)
        health_pb2_grpc.add_HealthServicer_to_server(self.health.servicer, server)
        health_name = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
        reflection.enable_server_reflection([*SERVICES, health_name, reflection.SERVICE_NAME], server)

    async def drain(self, deadline_s: float) -> None:
        """Tell everybody, commit what was accepted, then end the calls that are still open."""
        deadline = time.monotonic() + deadline_s
        logger.info("draining")
        await self.health.stop_serving()
        self._calculations.drain()
        self._runs.drain()
        await self._uploads.drain(deadline_s)
        await self.server.stop(max(deadline - time.monotonic(), LEAST_GRACE_S))


async def _check(parts: _Parts) -> None:
    """Raise when the database does not answer, or the factors cannot be had."""
    async with connection(parts.pool) as db:
        await db.fetchval("SELECT 1")
    await parts.factors.table(parts.tenant_id)


def secret_of(settings: Settings) -> str:
    """Return the key of the tokens."""
    return settings.token_secret or load_secret(settings.state_dir)


@asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[str]:
    """The URL of the database: the one that is set, else the embedded one, which runs until the end of the body."""
    if settings.database_url:
        yield settings.database_url
        return
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    async with embedded_database(settings.state_dir) as url:
        yield url


async def _wait_for_database(settings: Settings) -> None:
    """Say that this server does not serve yet, in the log and by health where its port is known, until it can."""
    logger.warning("waiting for the database: it does not answer", extra={"patience_s": settings.database_wait_s})
    async with AsyncExitStack() as stack:
        host, port = split_address(settings.listen)
        if port:
            server = grpc.aio.server(options=grpc_options(settings))
            with taken("VCCI_LISTEN", settings.listen):
                _listen(server, address_of(host, port), server_credentials(settings))
            await stack.enter_async_context(not_serving(server, SERVICES))
        await wait_for_database(settings.database_url, settings.database_wait_s)


async def _ensure_schema(database_url: str, settings: Settings) -> None:
    with storage_errors():
        db = await asyncpg.connect(database_url)
    try:
        if not settings.database_url or settings.migrate:
            for name in await migrate(db):
                logger.info("migrated", extra={"migration": name})
        elif due := await missing(db):
            raise SettingsError(
                f"the database lacks the migrations {', '.join(due)}: run `vcci migrate`, or set VCCI_MIGRATE=yes"
            )
    finally:
        await db.close()


@asynccontextmanager
async def _executor(settings: Settings, metrics: Metrics) -> AsyncIterator[Executor]:
    async with open_executor(
        settings.ray_address or None,
        threads=max(settings.compute_threads // settings.processes, 1),
        ray_threshold_s=settings.ray_threshold_s,
        ray_token=settings.ray_token or None,
        ray=settings.ray_options,
        lanes=settings.work_lanes,
        observe=metrics.observe_work,
    ) as executor:
        for lane in settings.work_lanes:
            metrics.queue_depth.labels(lane.name).set_function(partial(executor.waiting, lane.name))
            metrics.queue_limit.labels(lane.name).set(lane.waiting)
            metrics.in_flight.labels(lane.name).set_function(partial(executor.running, lane.name))
        yield executor


def _server(settings: Settings, boundary: Boundary) -> grpc.aio.Server:
    return grpc.aio.server(interceptors=[boundary], options=grpc_options(settings))


def grpc_options(settings: Settings) -> list[tuple[str, int]]:
    """Return the options of the gRPC server."""
    return [
        ("grpc.so_reuseport", int(settings.processes > 1)),  # else a second server on the port is an error, not a rival
        # Twice the limit, so that the boundary can tell those that are somewhat over it what the limit is.
        ("grpc.max_receive_message_length", 2 * settings.max_message_bytes),
        ("grpc.max_metadata_size", METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", METADATA_BYTES),
        ("grpc.keepalive_time_ms", PING_MS),
        ("grpc.keepalive_timeout_ms", PING_TIMEOUT_MS),
        ("grpc.http2.ping_timeout_ms", PING_TIMEOUT_MS),  # of a ping that gRPC has sent before, to measure the line
        ("grpc.http2.min_ping_interval_without_data_ms", PING_TIMEOUT_MS),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_MS),
        ("grpc.max_concurrent_streams", settings.max_connection_calls),
        ("grpc.server.max_pending_requests", MAX_WAITING_CALLS),
        ("grpc.server.max_pending_requests_hard_limit", MAX_WAITING_CALLS),
    ]
