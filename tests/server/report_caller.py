"""ReportService and EmissionService on a port, over uploads at every stage."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import grpc.aio
from vcci.v1 import emission_service_pb2, emission_service_pb2_grpc
from vcci.v1 import report_service_pb2 as pb
from vcci.v1 import report_service_pb2_grpc as rpc
from vcci_cluster import Executor
from vcci_server.auth import make_token
from vcci_server.emissions import EmissionServicer
from vcci_server.reports import ReportServicer
from vcci_server.storage.pool import Pool

from tests.server.behind import behind, boundary_of
from tests.server.stages import Stages, mixed_stages

SECRET = "a secret of the tests, long enough"
DAY = {"year": 2025, "month": 1, "day": 1}
PERIOD = {"period_start": DAY, "period_end": {**DAY, "year": 2026}}
KIND = pb.REPORT_KIND_GHG_PROTOCOL_SCOPE_3


@dataclass(frozen=True, slots=True)
class Made:
    """What GenerateReport has streamed."""

    progress: list[pb.ReportProgress]
    report: pb.Report
    chunks: list[bytes]

    @property
    def file(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def tables(self) -> dict[str, dict[str, Any]]:
        """The tables of a JSON file by name."""
        blocks = [block for section in json.loads(self.file)["sections"] for block in section["blocks"]]
        return {block["table"]["name"]: block["table"] for block in blocks if "table" in block}

    @property
    def cover(self) -> dict[str, str]:
        """What the first page of a JSON file says."""
        found: dict[str, str] = json.loads(self.file)["facts"]
        return found


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller of the services."""

    stages: Stages
    stub: "rpc.ReportServiceAsyncStub"
    emissions: "emission_service_pb2_grpc.EmissionServiceAsyncStub"

    def metadata(self, tenant: str = "") -> Sequence[tuple[str, str]]:
        token = make_token(SECRET, tenant or self.stages.store.tenant, "tester", 600)
        return (("authorization", f"Bearer {token}"),)

    def start(self, tenant: str = "", **request: Any) -> Any:
        """Call GenerateReport."""
        asked = {"request_id": uuid4().hex, "kind": KIND, "format": pb.REPORT_FORMAT_JSON, **PERIOD, **request}
        return self.stub.GenerateReport(pb.GenerateReportRequest(**asked), metadata=self.metadata(tenant))

    async def generate(self, tenant: str = "", **request: Any) -> Made:
        made = Made([], pb.Report(), [])
        async for event in self.start(tenant, **request):
            if event.HasField("progress"):
                assert not made.report.name
                made.progress.append(event.progress)
            elif event.HasField("report"):
                made.report.CopyFrom(event.report)
            else:
                assert made.report.name
                made.chunks.append(event.chunk)
        return made

    async def download(self, name: str, tenant: str = "") -> bytes:
        request = pb.DownloadReportRequest(name=name)
        found = self.stub.DownloadReport(request, metadata=self.metadata(tenant))
        return b"".join([response.chunk async for response in found])

    async def totals(self, *group_by: Any, **request: Any) -> emission_service_pb2.AggregateEmissionsResponse:
        """Return what AggregateEmissions says of PERIOD."""
        asked: dict[str, Any] = {"filter": PERIOD, "group_by": group_by, **request}
        message = emission_service_pb2.AggregateEmissionsRequest(**asked)
        return await self.emissions.AggregateEmissions(message, metadata=self.metadata())


@asynccontextmanager
async def serve_reports(pool: Pool, executor: Executor | None = None) -> AsyncIterator[Caller]:
    """Serve behind the boundary, on a port; works of reports run on `executor`, else in this process."""
    async with mixed_stages(pool) as stages:
        adding = (
            (rpc.add_ReportServiceServicer_to_server, ReportServicer(pool, pool, executor or stages.executor)),
            (
                emission_service_pb2_grpc.add_EmissionServiceServicer_to_server,
                EmissionServicer(pool, stages.executor),
            ),
        )
        async with behind(boundary_of(pool, SECRET), *adding) as address, grpc.aio.insecure_channel(address) as channel:
            emissions = emission_service_pb2_grpc.EmissionServiceStub(channel)
            yield Caller(stages, rpc.ReportServiceStub(channel), emissions)
