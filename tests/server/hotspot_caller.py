"""HotspotService on a port, over uploads at every stage."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc.aio
from vcci.v1 import hotspot_service_pb2 as pb
from vcci.v1 import hotspot_service_pb2_grpc as rpc
from vcci_server.auth import make_token
from vcci_server.hotspots import HotspotServicer
from vcci_server.storage.pool import Pool

from tests.server.behind import behind, boundary_of
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
    async with mixed_stages(pool) as stages:
        adding = rpc.add_HotspotServiceServicer_to_server, HotspotServicer(pool, stages.executor)
        async with behind(boundary_of(pool, SECRET), adding) as address, grpc.aio.insecure_channel(address) as channel:
            yield Caller(stages, rpc.HotspotServiceStub(channel))
