"""RunService, and the runs that CalculationService.Recalculate begins."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from itertools import islice

from google.longrunning import operations_proto_pb2 as longrunning
from google.protobuf.empty_pb2 import Empty
from vcci.v1 import calculation_service_pb2, run_pb2, run_service_pb2_grpc
from vcci.v1 import run_service_pb2 as pb
from vcci_cluster import Executor
from vcci_engine.errors import Unavailable, WrongState

from vcci_server.auth import caller
from vcci_server.emission_filters import check_filter, read_filter
from vcci_server.gas_messages import check_gwp_set
from vcci_server.run_messages import change_message, operation_message, request_of, row_error_message, run_message
from vcci_server.storage import factors, prices, runs, uploads
from vcci_server.storage.labels import Labels
from vcci_server.storage.pool import Connection, Pool, connection
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.reading import Filter, snapshot
from vcci_server.storage.run_sums import Change, read_changes, read_differences
from vcci_server.storage.runs import NewRun, RunRecord
from vcci_server.storage.summing import on_executor
from vcci_server.tokens import read_token, write_token
from vcci_server.validation import MAX_NAME_BYTES, Problems, page_size, resource_id

WATCH_S = 0.5  # how often a watched run is looked at


class RunServicer(run_service_pb2_grpc.RunServiceServicer):
    """Runs of the caller's tenant."""

    def __init__(self, reader: Pool, writer: Pool, executor: Executor) -> None:
        self._reader = reader
        self._writer = writer
        self._run = on_executor(executor, "reading")
        self._labels = Labels()
        self._draining = asyncio.Event()

    async def GetRun(self, request: pb.GetRunRequest, context: object) -> run_pb2.Run:
        """Return a run."""
        run = await runs.get(self._reader, caller().tenant_id, resource_id(request.name, "runs"))
        return run_message(run, await self.changes(run))

    async def ListRuns(self, request: pb.ListRunsRequest, context: object) -> pb.ListRunsResponse:
        """List runs, newest first."""
        tenant_id, size = caller().tenant_id, page_size(request.page_size, 50, 1_000)
        before = read_token(request.page_token, "runs", tenant_id, default=uploads.LAST)
        found = await runs.list_page(self._reader, tenant_id, limit=size + 1, before=before)
        token = write_token("runs", tenant_id, found[size - 1].run_id) if len(found) > size else ""
        return pb.ListRunsResponse(runs=map(run_message, found[:size]), next_page_token=token)

    async def WatchRun(self, request: pb.WatchRunRequest, context: object) -> AsyncIterator[pb.WatchRunResponse]:
        """Stream a run whenever it has got further, until it has ended."""
        tenant_id, run_id = caller().tenant_id, resource_id(request.name, "runs")
        shown: RunRecord | None = None
        while shown is None or shown.state == "running":
            run = await runs.get(self._reader, tenant_id, run_id)
            if run != shown:
                yield pb.WatchRunResponse(run=run_message(run, await self.changes(run)))
            shown = run
            if shown.state == "running":
                await self.rest(WATCH_S)

    async def ListRunDifferences(
        self, request: pb.ListRunDifferencesRequest, context: object
    ) -> pb.ListRunDifferencesResponse:
        """List what a run changed, by supplier and category."""
        tenant_id, run_id = caller().tenant_id, resource_id(request.run, "runs", "run")
        size, scope = page_size(request.page_size, 1_000, 10_000), f"runs/{run_id}/differences"
        supplier_id, category = map(int, read_token(request.page_token, scope, tenant_id, default=(-1, 0)))
        async with snapshot(self._reader) as db:
            run = await runs.fetch_readable(db, tenant_id, run_id)
            threshold = request_of(run).significance_threshold
            found: list[tuple[tuple[int, int], Change]] = []
            async for difference in read_differences(db, self._run, tenant_id, run_id, (supplier_id, category)):
                found.append(difference)
                if len(found) > size:
                    break
            codes = await self._labels.suppliers(db, tenant_id, sorted({supplier for (supplier, _), _ in found}))
        differences = [
            pb.RunDifference(supplier_code=codes[supplier], change=change_message(change, threshold, category))
            for (supplier, category), change in islice(found, size)
        ]
        token = write_token(scope, tenant_id, found[size - 1][0]) if len(found) > size else ""
        return pb.ListRunDifferencesResponse(differences=differences, next_page_token=token)

    async def ListRunRowErrors(
        self, request: pb.ListRunRowErrorsRequest, context: object
    ) -> pb.ListRunRowErrorsResponse:
        """List the rows that a run could not calculate."""
        tenant_id, run_id = caller().tenant_id, resource_id(request.run, "runs", "run")
        size, scope = page_size(request.page_size, 1_000, 10_000), f"runs/{run_id}/errors"
        after = read_token(request.page_token, scope, tenant_id, default=(0, 0, 0, 0, 0))
        async with connection(self._reader) as db:
            await runs.fetch_readable(db, tenant_id, run_id)
            rows = await db.fetch(QUERIES["list_run_row_errors"], tenant_id, run_id, *after, size + 1)
        key = tuple(rows[size - 1][name] for name in PLACE) if len(rows) > size else ()
        return pb.ListRunRowErrorsResponse(
            row_errors=[row_error_message(row["upload_id"], row) for row in rows[:size]],
            next_page_token=write_token(scope, tenant_id, key) if key else "",
        )

    async def DeleteRun(self, request: pb.DeleteRunRequest, context: object) -> Empty:
        """Delete a run that has ended, with its results."""
        await runs.delete(self._writer, caller().tenant_id, resource_id(request.name, "runs"))
        return Empty()

    async def begin(self, request: calculation_service_pb2.RecalculateRequest) -> longrunning.Operation:
        """Begin a run, or return the operation of the one with the same request id."""
        check_recalculate(request)
        tenant_id = caller().tenant_id
        async with connection(self._reader) as db:
            chosen = await read_filter(db, tenant_id, request.filter)
            await _check_upload(db, tenant_id, chosen)
        new = NewRun(
            request_id=request.request_id,
            request=request.SerializeToString(deterministic=True),
            factor_set_id=await self._factor_set(tenant_id, request.factor_set),
            price_set_id=await self._price_set(tenant_id, request.price_set),
        )
        return await self.operation(await runs.create(self._writer, tenant_id, new, chosen))

    async def operation(self, run: RunRecord) -> longrunning.Operation:
        """Return the operation of a run."""
        return operation_message(run, await self.changes(run))

    async def changes(self, run: RunRecord) -> Mapping[int, Change] | None:
        """Return what a run that has succeeded changed, by category."""
        if run.state != "succeeded":
            return None
        async with connection(self._reader) as db:
            return await read_changes(db, self._run, run.tenant_id, run.run_id)

    async def rest(self, seconds: float) -> None:
        """Wait a while; raise Unavailable when the server drains."""
        try:
            async with asyncio.timeout(seconds):
                await self._draining.wait()
        except TimeoutError:
            return
        raise Unavailable("The server is going down: connect again", reason="DRAINING")

    def drain(self) -> None:
        """End the calls that wait for runs; the runs go on at the next leader."""
        self._draining.set()

    async def _factor_set(self, tenant_id: int, name: str) -> int:
        if not name:
            return await factors.active_set_id(self._reader, tenant_id)
        found = await factors.get_set(self._reader, tenant_id, resource_id(name, "factorSets", "factor_set"))
        return found.factor_set_id

    async def _price_set(self, tenant_id: int, name: str) -> int:
        if not name:
            return (await factors.active_version(self._reader, tenant_id)).price_set_id
        found = await prices.get_set(self._reader, tenant_id, resource_id(name, "priceSets", "price_set"))
        return found.price_set_id


PLACE = ("upload_id", "merge_version", "batch_offset", "segment", "place")


def check_recalculate(request: calculation_service_pb2.RecalculateRequest) -> None:
    """Raise InvalidFields when anything is wrong that can be told without the store."""
    problems = Problems()
    problems.request_id(request.request_id)
    problems.text("display_name", request.display_name, MAX_NAME_BYTES)
    check_filter(request.filter, problems)
    if request.filter.as_of:
        expected = "nothing: what was ingested is restated, not another run"
        problems.add("filter.as_of", request.filter.as_of, expected, "OUT_OF_RANGE")
    for field, name, collection in (
        ("factor_set", request.factor_set, "factorSets"),
        ("price_set", request.price_set, "priceSets"),
    ):
        if name:
            problems.resource(field, name, collection)
    check_gwp_set(problems, "gwp_set", request.gwp_set)
    if not 0 <= request.significance_threshold <= 1:
        problems.add("significance_threshold", request.significance_threshold, "0 to 1", "OUT_OF_RANGE")
    problems.check()


async def _check_upload(db: Connection, tenant_id: int, chosen: Filter) -> None:
    """Raise WrongState when the filter names an upload that is not finalized."""
    if chosen.upload_id is None:
        return
    upload = await uploads.fetch(db, QUERIES["select_upload"], tenant_id, chosen.upload_id)
    if upload.state != "finalized":
        raise WrongState(
            f"uploads/{upload.upload_id} is {upload.state}: only finalized uploads can be recalculated",
            reason="UPLOAD_NOT_FINALIZED",
            metadata={"name": f"uploads/{upload.upload_id}", "state": upload.state},
        )
