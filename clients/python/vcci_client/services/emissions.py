"""EmissionService."""

from collections.abc import AsyncIterator, Iterable

import grpc.aio
from vcci.v1 import emission_pb2
from vcci.v1 import emission_service_pb2 as pb

from vcci_client.connection import Pauses, Service, is_passing

PATIENCE_S = 60.0


class Emissions(Service):
    """Stored emissions."""

    async def stream_emissions(
        self,
        emission_filter: emission_pb2.EmissionFilter | None = None,
        columns: Iterable[pb.EmissionColumn.ValueType] = (),
    ) -> AsyncIterator[emission_pb2.EmissionColumns]:
        """Yield emissions as columns, in an order of the server's; a broken stream goes on where it stopped.

        `vcci_client.emissions.to_arrow` makes record batches of them.
        """
        request = pb.StreamEmissionsRequest(filter=emission_filter, columns=columns)
        pauses = Pauses(PATIENCE_S)
        ended = False
        while not ended:
            call = self.connection.emissions.StreamEmissions(request, metadata=self.connection.metadata)
            try:
                async for response in call:
                    request.resume_token = response.resume_token
                    pauses.progress()
                    yield response.emissions
                ended = True
            except grpc.aio.AioRpcError as rpc_error:
                error = self.connection.error(rpc_error)
                if not is_passing(error):
                    raise error from None
                await pauses.wait(error)
            finally:
                call.cancel()

    async def aggregate_emissions(
        self,
        group_by: Iterable[pb.Dimension.ValueType] = (),
        *,
        emission_filter: emission_pb2.EmissionFilter | None = None,
        limit: int = 0,
    ) -> pb.AggregateEmissionsResponse:
        """Return sums with 95 % intervals, the largest groups first."""
        request = pb.AggregateEmissionsRequest(filter=emission_filter, group_by=group_by, limit=limit)
        return await self.connection.call(self.connection.emissions.AggregateEmissions, request)
