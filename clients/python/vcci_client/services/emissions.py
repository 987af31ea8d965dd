"""EmissionService."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing
from datetime import date

import grpc
import grpc.aio
from google.type.date_pb2 import Date
from vcci.v1 import emission_pb2
from vcci.v1 import emission_service_pb2 as pb

from vcci_client.connection import Service
from vcci_client.emission_arrays import EmissionArrays, EmissionDecoder
from vcci_client.errors import Unavailable
from vcci_client.resuming import resumed

OnSimulation = Callable[[pb.SimulationProgress], None]


def ignore_progress(progress: pb.SimulationProgress) -> None:
    """Take no notice."""


class Emissions(Service):
    """Stored emissions."""

    async def stream_emissions(
        self,
        emission_filter: emission_pb2.EmissionFilter | None = None,
        columns: Iterable[pb.EmissionColumn.ValueType] = (),
        *,
        gwp_set: str = "",
    ) -> AsyncIterator[EmissionArrays]:
        """Yield emissions as arrays, in an order of the server's; a broken stream goes on where it stopped.

        `gwp_set` expresses them under that set of global warming potentials (`AR6`) where their factors can give it.
        `vcci_client.emissions.to_arrow` makes record batches of them.
        """
        request = pb.StreamEmissionsRequest(filter=emission_filter, columns=columns, gwp_set=gwp_set)
        responses = resumed(self.connection, self.connection.emissions.StreamEmissions, request, _go_on)
        decoder = EmissionDecoder()
        async with aclosing(responses):
            async for response in responses:
                yield decoder.decode(response)

    async def get_dashboard(
        self, period: tuple[date, date] | None = None, *, top_suppliers: int = 0, as_of: str = ""
    ) -> pb.Dashboard:
        """Return the tenant's state at a glance, of whole quarters: [first day, day after the last), else of the last
        calendar year that has emissions; as of `runs/{run}`, else as ingested.
        """
        request = pb.GetDashboardRequest(top_suppliers=top_suppliers, as_of=as_of)
        if period is not None:
            for name, day in zip(("period_start", "period_end"), period, strict=True):
                getattr(request, name).CopyFrom(Date(year=day.year, month=day.month, day=day.day))
        return await self.connection.call(self.connection.emissions.GetDashboard, request)

    async def aggregate_emissions(
        self,
        group_by: Iterable[pb.Dimension.ValueType] = (),
        *,
        emission_filter: emission_pb2.EmissionFilter | None = None,
        limit: int = 0,
        gwp_set: str = "",
        include_gases: bool = False,
    ) -> pb.AggregateEmissionsResponse:
        """Return sums with 95 % intervals, the largest groups first; under a set of global warming potentials (`AR6`).

        `composition` of each says what could not be expressed under that set, and whether sets are mixed in it.
        """
        request = pb.AggregateEmissionsRequest(
            filter=emission_filter, group_by=group_by, limit=limit, gwp_set=gwp_set, include_gases=include_gases
        )
        return await self.connection.call(self.connection.emissions.AggregateEmissions, request)

    async def simulate_emissions(
        self,
        group_by: Iterable[pb.Dimension.ValueType] = (),
        *,
        emission_filter: emission_pb2.EmissionFilter | None = None,
        limit: int = 0,
        draws: int = 0,
        seed: int = 0,
        on_progress: OnSimulation = ignore_progress,
    ) -> pb.SimulatedEmissions:
        """Return sums like `aggregate_emissions`, with a `simulation` by Monte Carlo beside each interval.

        Draws are 1,000 to 1,000,000, and 10,000 when 0 is given; the same call gives the same bits.
        """
        request = pb.SimulateEmissionsRequest(
            filter=emission_filter, group_by=group_by, limit=limit, draws=draws, seed=seed
        )
        async with aclosing(self.connection.answers(self.connection.emissions.SimulateEmissions, request)) as answers:
            async for response in answers:
                if response.WhichOneof("response") == "result":
                    return response.result
                on_progress(response.progress)
        raise Unavailable("the server ended the simulation without a result", code=grpc.StatusCode.UNAVAILABLE)


def _go_on(request: pb.StreamEmissionsRequest, response: pb.StreamEmissionsResponse) -> None:
    request.resume_token = response.resume_token
