"""RunService and CalculationService.Recalculate."""

import uuid
from collections.abc import AsyncIterator

import grpc.aio
from google.longrunning import operations_proto_pb2 as longrunning
from vcci.v1 import calculation_service_pb2, emission_pb2, run_pb2
from vcci.v1 import run_service_pb2 as pb

from vcci_client.connection import Pauses, Service

PATIENCE_S = 60.0
PER_PAGE = 10_000


class Runs(Service):
    """Recalculations of what is stored."""

    async def recalculate(
        self,
        *,
        factor_set: str = "",
        gwp_set: str = "",
        price_set: str = "",
        emission_filter: emission_pb2.EmissionFilter | None = None,
        significance_threshold: float = 0.0,
        display_name: str = "",
        request_id: str = "",
    ) -> run_pb2.Run:
        """Begin to restate stored emissions, once per request id; `watch_run` tells how far it is.

        Under `factorSets/{set}` and `priceSets/{set}`, else the active ones; in a GWP set, else in the factors' own.
        """
        request = calculation_service_pb2.RecalculateRequest(
            request_id=request_id or uuid.uuid4().hex,
            display_name=display_name,
            filter=emission_filter,
            factor_set=factor_set,
            gwp_set=gwp_set,
            price_set=price_set,
            significance_threshold=significance_threshold,
        )
        operation = await self.connection.call(self.connection.calculations.Recalculate, request, patience_s=PATIENCE_S)
        return await self.get_run(progress_of(operation).run)

    async def get_run(self, name: str) -> run_pb2.Run:
        """Return the run `runs/{run}`: how far it is, and what it changed once it has succeeded."""
        return await self.connection.call(self.connection.runs.GetRun, pb.GetRunRequest(name=name))

    async def list_runs(self) -> AsyncIterator[run_pb2.Run]:
        """Yield the runs, newest first, without what they changed."""
        async for page in self.connection.pages(self.connection.runs.ListRuns, pb.ListRunsRequest()):
            for run in page.runs:
                yield run

    async def watch_run(self, name: str) -> AsyncIterator[run_pb2.Run]:
        """Yield a run whenever it has got further, until it has ended; over a restart of the server too."""
        pauses = Pauses(PATIENCE_S)
        while True:
            call = self.connection.runs.WatchRun(pb.WatchRunRequest(name=name), metadata=self.connection.metadata)
            try:
                async for response in call:
                    pauses.progress()
                    yield response.run
                return
            except grpc.aio.AioRpcError as rpc_error:
                error = self.connection.error(rpc_error)
                if not self.connection.is_passing(error):
                    raise error from None
                await pauses.wait(error)
            finally:
                call.cancel()

    async def wait_for_run(self, name: str) -> run_pb2.Run:
        """Return a run when it has ended."""
        states = [run async for run in self.watch_run(name)]
        return states[-1]

    async def list_run_differences(self, run: str) -> AsyncIterator[pb.RunDifference]:
        """Yield what a run changed, by supplier and category."""
        request = pb.ListRunDifferencesRequest(run=run, page_size=PER_PAGE)
        async for page in self.connection.pages(self.connection.runs.ListRunDifferences, request):
            for difference in page.differences:
                yield difference

    async def list_run_row_errors(self, run: str) -> AsyncIterator[pb.RunRowError]:
        """Yield the rows that a run could not calculate; they keep their old values."""
        request = pb.ListRunRowErrorsRequest(run=run, page_size=PER_PAGE)
        async for page in self.connection.pages(self.connection.runs.ListRunRowErrors, request):
            for error in page.row_errors:
                yield error

    async def delete_run(self, name: str) -> None:
        """Delete a run that has ended, with its results; what was ingested stays."""
        await self.connection.call(self.connection.runs.DeleteRun, pb.DeleteRunRequest(name=name))


def progress_of(operation: longrunning.Operation) -> run_pb2.RunProgress:
    """Return how far the run of an operation is."""
    progress = run_pb2.RunProgress()
    operation.metadata.Unpack(progress)
    return progress
