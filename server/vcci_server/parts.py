"""What the servicers work with, made in one place: pools, factors, compute, background work."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from vcci_cluster import Executor, open_executor

from vcci_server.auth import Authenticator
from vcci_server.authentication import opened_authenticator, secret_of
from vcci_server.cache import FactorCache
from vcci_server.database import ensure_schema
from vcci_server.denials import Denials
from vcci_server.factors import ensure_starter
from vcci_server.hotspots import HotspotServicer
from vcci_server.keeping import Keeping
from vcci_server.metrics import Metrics
from vcci_server.operation_tasks import Tasks
from vcci_server.operation_work import OperationWork
from vcci_server.quotas import Quotas, default_quota
from vcci_server.recalculation import Recalculation
from vcci_server.reports import ReportServicer
from vcci_server.settings import Settings
from vcci_server.storage import tenants
from vcci_server.storage.background import Background
from vcci_server.storage.partitions import PartitionKeeper
from vcci_server.storage.pool import READER, WRITER, Pool, active_connections, open_pool
from vcci_server.storage.suppliers import SupplierStore
from vcci_server.tasks import running


@dataclass(frozen=True, slots=True)
class Parts:
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
    quotas: Quotas
    hotspots: HotspotServicer
    reports: ReportServicer


async def make_parts(settings: Settings, database_url: str, metrics: Metrics, stack: AsyncExitStack) -> Parts:
    """Make them, to be closed with the stack."""
    await ensure_schema(database_url, settings)
    pool, reader, writer = await _pools(settings, database_url, metrics, stack)
    denials = Denials(pool)
    await stack.enter_async_context(denials.writing())
    tenant_id = await tenants.ensure_tenant(pool, tenants.DEFAULT)
    await ensure_starter(pool, tenant_id)
    snapshots = None
    if settings.redis_url:
        from vcci_server.snapshots import Snapshots  # loading Redis' client takes a fifth of a server's start

        snapshots = await stack.enter_async_context(
            Snapshots(settings.redis_url, secret_of(settings), metrics.redis_tier)
        )
    factors = await stack.enter_async_context(
        FactorCache(reader, database_url, tier=metrics.process_tier, snapshots=snapshots)
    )
    executor = await stack.enter_async_context(_executor(settings, metrics))
    partitions, suppliers = PartitionKeeper(pool), SupplierStore(writer)
    keeping = Keeping(writer, partitions, suppliers)
    await stack.enter_async_context(keeping.running())
    hotspots, reports = HotspotServicer(reader, executor), ReportServicer(reader, writer, executor)
    beside = (Recalculation(pool, executor).run, OperationWork(pool, Tasks(hotspots, reports)).run)
    background = Background(database_url, pool, partitions, executor, observe=metrics.observe_work, beside=beside)
    await stack.enter_async_context(running(background.run()))
    authenticator = await stack.enter_async_context(opened_authenticator(settings, pool))
    quotas = Quotas(default_quota(settings), metrics, settings.quotas)
    await stack.enter_async_context(running(quotas.follow()))
    return Parts(
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
        quotas=quotas,
        hotspots=hotspots,
        reports=reports,
    )


async def _pools(settings: Settings, database_url: str, metrics: Metrics, stack: AsyncExitStack) -> list[Pool]:
    """Open the pools of the service, of calls that read and of those that write: none waits for another's."""
    pools = []
    for name, size, role in (
        ("service", settings.service_connections, ""),
        ("read", settings.read_connections, READER),
        ("write", settings.write_connections, WRITER),
    ):
        opening = open_pool(database_url, size=size, observe=metrics.observe_query, role=role)
        pools.append(await stack.enter_async_context(opening))
        metrics.connections_active.labels(name).set_function(partial(active_connections, pools[-1]))
        metrics.connections_limit.labels(name).set(size)
    return pools


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
