"""FactorService behind its boundary, on a port: callers by messages, and clients, of tenants of the test's own."""

from collections.abc import AsyncIterator
from uuid import uuid4

import grpc
import grpc.aio
import pytest
from vcci.v1 import factor_service_pb2 as pb
from vcci.v1 import factor_service_pb2_grpc as rpc
from vcci_client import AsyncClient
from vcci_server.auth import make_token
from vcci_server.cache import FactorCache
from vcci_server.factors import FactorServicer
from vcci_server.metrics import Metrics
from vcci_server.storage import tenants
from vcci_server.storage.pool import Pool

from tests.server import factor_service
from tests.server.behind import behind, boundary_of
from tests.server.factor_service import FactorService, import_set
from tests.server.factors.caller import SECRET, Caller
from tests.server.factors.versions import DIESEL, PETROL, STEEL


@pytest.fixture
async def served(pool: Pool, database: str) -> AsyncIterator[tuple[grpc.aio.Channel, FactorCache]]:
    """The service behind its boundary, on a port."""
    metrics = Metrics()
    async with FactorCache(pool, database, tier=metrics.process_tier) as cache:
        adding = rpc.add_FactorServiceServicer_to_server, FactorServicer(pool, pool, cache)
        async with (
            behind(boundary_of(pool, SECRET, metrics), adding) as address,
            grpc.aio.insecure_channel(address) as channel,
        ):
            yield channel, cache


async def _caller(pool: Pool, served: tuple[grpc.aio.Channel, FactorCache]) -> Caller:
    channel, cache = served
    tenant = uuid4().hex
    token = make_token(SECRET, tenant, "tester", 600)
    tenant_id = await tenants.ensure_tenant(pool, tenant)
    return Caller(tenant_id, rpc.FactorServiceStub(channel), cache, [("authorization", f"Bearer {token}")])


@pytest.fixture
async def caller(pool: Pool, served: tuple[grpc.aio.Channel, FactorCache]) -> Caller:
    """A caller of a tenant of the test's own."""
    return await _caller(pool, served)


@pytest.fixture
async def stranger(pool: Pool, served: tuple[grpc.aio.Channel, FactorCache]) -> Caller:
    """A caller of another tenant."""
    return await _caller(pool, served)


@pytest.fixture
async def service(pool: Pool, database: str) -> AsyncIterator[FactorService]:
    async with factor_service.served(pool, database) as service:
        yield service


@pytest.fixture
async def client(service: FactorService) -> AsyncClient:
    return await service.client()


@pytest.fixture
async def base(client: AsyncClient) -> pb.FactorSet:
    return await import_set(client, DIESEL, PETROL, STEEL, activate=True)
