"""FactorService behind its boundary, on a port; a client of it for each tenant that a test makes."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

from vcci.v1 import factor_service_pb2 as pb
from vcci.v1 import factor_service_pb2_grpc as rpc
from vcci_client import AsyncClient
from vcci_server.auth import make_token
from vcci_server.cache import FactorCache
from vcci_server.factors import FactorServicer
from vcci_server.metrics import Metrics
from vcci_server.storage import tenants
from vcci_server.storage.pool import Pool

from tests.server.behind import behind, boundary_of

SECRET = "a secret of the tests, long enough"
DIESEL = pb.Factor(
    source="fuel",
    code="diesel",
    display_name="Diesel",
    year=2025,
    unit="litre",
    kg_co2e=2.5,
    gases={"CO2": 2.45, "CH4": 0.001},
    gwp_set="AR5",
    gsd2=1.05,
    source_note="A table",
)


class FactorService:
    """The served service."""

    def __init__(self, pool: Pool, cache: FactorCache, address: str, stack: AsyncExitStack) -> None:
        self.pool = pool
        self.cache = cache
        self._address = address
        self._stack = stack

    async def client(self, tenant: str = "", subject: str = "tester") -> AsyncClient:
        """Return a client for a tenant, else for a new one."""
        tenant = tenant or uuid4().hex
        await tenants.ensure_tenant(self.pool, tenant)
        client = AsyncClient(self._address, make_token(SECRET, tenant, subject, 600))
        return await self._stack.enter_async_context(client)

    async def tenant_id(self, tenant: str) -> int:
        """Return the id of a tenant."""
        return await tenants.ensure_tenant(self.pool, tenant)


@asynccontextmanager
async def served(pool: Pool, database: str) -> AsyncIterator[FactorService]:
    """Serve until the end of the body."""
    metrics = Metrics()
    async with FactorCache(pool, database, tier=metrics.process_tier) as cache, AsyncExitStack() as stack:
        adding = rpc.add_FactorServiceServicer_to_server, FactorServicer(pool, pool, cache)
        address = await stack.enter_async_context(behind(boundary_of(pool, SECRET, metrics), adding))
        yield FactorService(pool, cache, address, stack)


def factor(**changes: object) -> pb.Factor:
    """Diesel with changes."""
    made = pb.Factor()
    made.CopyFrom(DIESEL)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


async def import_set(client: AsyncClient, *factors: pb.Factor, **spec: object) -> pb.FactorSet:
    """Import factors as a set."""
    return await client.import_factor_set(pb.FactorSetSpec(**{"display_name": "A set", **spec}), factors)  # type: ignore[arg-type]  # whatever a test gives
