"""HotspotService: where to act, and what acting would do."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial

from vcci.v1 import hotspot_service_pb2 as pb
from vcci.v1 import hotspot_service_pb2_grpc
from vcci_cluster import Executor

from vcci_server.auth import caller
from vcci_server.emission_filters import read_filter
from vcci_server.hotspot_groups import Question, ranks
from vcci_server.hotspot_messages import (
    Asked,
    check_analyze,
    concentration_message,
    group_message,
    outliers_message,
    pareto_message,
    quality_message,
    year_message,
)
from vcci_server.hotspot_outliers import outliers
from vcci_server.hotspot_quality import improvements
from vcci_server.hotspot_reading import Emissions, whole
from vcci_server.hotspot_trends import trends
from vcci_server.scenario_checks import check_scenario
from vcci_server.scenario_messages import scenario_message
from vcci_server.scenario_run import LANE, Report, compute, read_scenario, with_progress
from vcci_server.storage.labels import Labels
from vcci_server.storage.pool import Pool
from vcci_server.storage.reading import snapshot
from vcci_server.storage.summing import on_executor


class HotspotServicer(hotspot_service_pb2_grpc.HotspotServiceServicer):
    """Hotspots of the caller's tenant."""

    def __init__(self, pool: Pool, executor: Executor) -> None:
        self._pool = pool
        self._executor = executor
        self._run = on_executor(executor, LANE)
        self._labels = Labels()

    async def AnalyzeHotspots(self, request: pb.AnalyzeHotspotsRequest, context: object) -> pb.AnalyzeHotspotsResponse:
        """Find what matters, in one snapshot."""
        return await self.analyze(caller().tenant_id, request)

    async def RunScenario(
        self, request: pb.RunScenarioRequest, context: object
    ) -> AsyncIterator[pb.RunScenarioResponse]:
        """Compute what emissions would be under levers, in one snapshot."""
        check_scenario(request)
        work = partial(self.scenario, caller().tenant_id, request)
        async with aclosing(with_progress(work)) as events:
            async for event in events:
                if isinstance(event, pb.Scenario):
                    yield pb.RunScenarioResponse(result=event)
                else:
                    yield pb.RunScenarioResponse(progress=event)

    async def analyze(self, tenant_id: int, request: pb.AnalyzeHotspotsRequest) -> pb.AnalyzeHotspotsResponse:
        """Return what matters of a tenant's emissions."""
        asked = check_analyze(request)
        async with snapshot(self._pool) as db:
            chosen = await read_filter(db, tenant_id, request.filter)
            of = (asked.by, asked.pareto_share, asked.target_quality, asked.limit)
            return await _analyze(Question(db, self._run, self._labels, tenant_id, chosen, *of), asked)

    async def scenario(self, tenant_id: int, request: pb.RunScenarioRequest, report: Report) -> pb.Scenario:
        """Return what a tenant's emissions would be, by a checked request."""
        async with snapshot(self._pool) as db:
            chosen = await read_filter(db, tenant_id, request.filter)
            emissions = Emissions(db, self._run, self._labels, tenant_id, chosen)
            read = await read_scenario(emissions, request, report)
        return scenario_message(request, await compute(self._executor, read))


async def _analyze(question: Question, asked: Asked) -> pb.AnalyzeHotspotsResponse:
    total = await whole(question)
    response = pb.AnalyzeHotspotsResponse(total=group_message("", total.rows, total.estimate))
    response.total.composition.CopyFrom(total.composition)
    if pb.HOTSPOT_ANALYSIS_PARETO in asked.analyses:
        found = await ranks(question)
        response.pareto.CopyFrom(pareto_message(found))
        response.concentration.CopyFrom(concentration_message(found))
    if pb.HOTSPOT_ANALYSIS_DATA_QUALITY in asked.analyses:
        response.data_quality.CopyFrom(quality_message(total, *await improvements(question, total)))
    if pb.HOTSPOT_ANALYSIS_TRENDS in asked.analyses:
        response.trends.extend(map(year_message, await trends(question)))
    if pb.HOTSPOT_ANALYSIS_OUTLIERS in asked.analyses:
        unlike = await outliers(question)
        shown = [outlier.supplier for outlier in unlike.found[: asked.limit]]
        codes = await question.labels.suppliers(question.db, question.tenant_id, shown)
        response.outliers.CopyFrom(outliers_message(unlike, codes, asked.limit))
    return response
