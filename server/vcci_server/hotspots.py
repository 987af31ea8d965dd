"""HotspotService: where to act."""

from vcci.v1 import hotspot_service_pb2 as pb
from vcci.v1 import hotspot_service_pb2_grpc
from vcci_cluster import Executor

from vcci_server.auth import caller
from vcci_server.emission_filters import read_filter
from vcci_server.hotspot_groups import Question, ranks, whole
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
from vcci_server.hotspot_trends import trends
from vcci_server.storage.labels import Labels
from vcci_server.storage.pool import Pool
from vcci_server.storage.reading import snapshot
from vcci_server.storage.summing import on_executor

LANE = "hotspot"


class HotspotServicer(hotspot_service_pb2_grpc.HotspotServiceServicer):
    """Hotspots of the caller's tenant."""

    def __init__(self, pool: Pool, executor: Executor) -> None:
        self._pool = pool
        self._run = on_executor(executor, LANE)
        self._labels = Labels()

    async def AnalyzeHotspots(self, request: pb.AnalyzeHotspotsRequest, context: object) -> pb.AnalyzeHotspotsResponse:
        """Find what matters, in one snapshot."""
        asked = check_analyze(request)
        tenant_id = caller().tenant_id
        async with snapshot(self._pool) as db:
            chosen = await read_filter(db, tenant_id, request.filter)
            of = (asked.by, asked.pareto_share, asked.target_quality, asked.limit)
            return await _analyze(Question(db, self._run, self._labels, tenant_id, chosen, *of), asked)


async def _analyze(question: Question, asked: Asked) -> pb.AnalyzeHotspotsResponse:
    total = await whole(question)
    response = pb.AnalyzeHotspotsResponse(total=group_message("", total.rows, total.estimate))
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
