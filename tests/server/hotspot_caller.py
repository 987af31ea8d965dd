"""HotspotService on a port, over uploads at every stage."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc.aio
from vcci.v1 import hotspot_service_pb2 as pb
from vcci.v1 import hotspot_service_pb2_grpc as rpc
from vcci_server.auth import Authenticator, DevelopmentTokens, make_token
from vcci_server.boundary import Boundary
from vcci_server.hotspots import HotspotServicer
from vcci_server.metrics import Metrics
from vcci_server.storage import tenants
from vcci_server.storage.pool import Pool

from tests.server.stages import Stages, mixed_stages
from tests.server.stored_emissions import StoredEmissions

SECRET = "a secret of the tests, long enough"


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller of the service."""

    stages: Stages
    stub: "rpc.HotspotServiceAsyncStub"

    @property
    def store(self) -> StoredEmissions:
        return self.stages.store

    def metadata(self, tenant: str = "") -> Sequence[tuple[str, str]]:
        token = make_token(SECRET, tenant or self.store.tenant, "tester", 600)
        return (("authorization", f"Bearer {token}"),)

    async def analyze(self, tenant: str = "", **request: Any) -> pb.AnalyzeHotspotsResponse:
        message = pb.AnalyzeHotspotsRequest(**request)
        return await self.stub.AnalyzeHotspots(message, metadata=self.metadata(tenant))

    async def events(self, tenant: str = "", **request: Any) -> list[pb.RunScenarioResponse]:
        message = pb.RunScenarioRequest(**request)
        return [event async for event in self.stub.RunScenario(message, metadata=self.metadata(tenant))]

    async def scenario(self, **request: Any) -> pb.Scenario:
        return (await self.events(**request))[-1].result


@asynccontextmanager
async def serve_hotspots(pool: Pool) -> AsyncIterator[Caller]:
    """Serve behind the boundary, on a port."""

    async def tenant_id(name: str) -> int | None:
        return await tenants.tenant_id(pool, name)

    async with mixed_stages(pool) as stages:
        server = grpc.aio.server(
            interceptors=[Boundary(Authenticator(DevelopmentTokens(SECRET), tenant_id), Metrics(), 4 << 20)]
        )
        rpc.add_HotspotServiceServicer_to_server(HotspotServicer(pool, stages.executor), server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Caller(stages, rpc.HotspotServiceStub(channel))
        await server.stop(None)
