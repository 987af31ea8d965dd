"""HotspotService."""

from collections.abc import Callable, Iterable

import grpc.aio
from vcci.v1 import emission_pb2
from vcci.v1 import hotspot_service_pb2 as pb
from vcci.v1.emission_service_pb2 import DIMENSION_SUPPLIER, Dimension

from vcci_client.connection import Service


def ignore(progress: pb.ScenarioProgress) -> None:
    """Do nothing about progress."""


class Hotspots(Service):
    """Where to act, and what acting would do."""

    async def analyze_hotspots(
        self,
        dimension: Dimension.ValueType = DIMENSION_SUPPLIER,
        *,
        emission_filter: emission_pb2.EmissionFilter | None = None,
        analyses: Iterable[pb.HotspotAnalysis.ValueType] = (),
        pareto_share: float = 0.0,
        target_quality: int = 0,
        limit: int = 0,
    ) -> pb.AnalyzeHotspotsResponse:
        """Find the suppliers or categories that matter; without `analyses` by all of them."""
        request = pb.AnalyzeHotspotsRequest(
            filter=emission_filter,
            dimension=dimension,
            analyses=analyses,
            pareto_share=pareto_share,
            target_quality=target_quality,
            limit=limit,
        )
        return await self.connection.call(self.connection.hotspots.AnalyzeHotspots, request)

    async def run_scenario(
        self,
        scenario: pb.RunScenarioRequest,
        *,
        on_progress: Callable[[pb.ScenarioProgress], None] = ignore,
    ) -> pb.Scenario:
        """Return what emissions would be under levers; `vcci_client.scenario_file` reads scenarios from files."""
        result = pb.Scenario()
        call = self.connection.hotspots.RunScenario(scenario, metadata=self.connection.metadata)
        try:
            async for response in call:
                if response.HasField("progress"):
                    on_progress(response.progress)
                else:
                    result = response.result
        except grpc.aio.AioRpcError as error:
            raise self.connection.error(error) from None
        finally:
            call.cancel()
        return result
