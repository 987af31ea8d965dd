"""UploadService: bulk upload, exactly once."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial

import grpc.aio
from vcci.v1 import upload_service_pb2 as pb
from vcci.v1 import upload_service_pb2_grpc
from vcci.v1.error_pb2 import ErrorReason
from vcci.v1.upload_pb2 import Upload
from vcci_cluster.placement import Executor
from vcci_engine.errors import InvalidField, Unavailable

from vcci_server.admission import Admission
from vcci_server.admission import Stream as OpenStream
from vcci_server.auth import caller
from vcci_server.cache import FactorCache
from vcci_server.follow_ups import follow_ups
from vcci_server.intake import Intake
from vcci_server.metrics import Metrics
from vcci_server.operations import OperationServicer
from vcci_server.preparation import Preparation
from vcci_server.storage import folding, systems, uploads
from vcci_server.storage.ingest import PreparedBatch, commit_batches
from vcci_server.storage.partitions import PartitionKeeper
from vcci_server.storage.pool import Pool
from vcci_server.storage.suppliers import SupplierStore
from vcci_server.tokens import read_token, write_token
from vcci_server.upload_messages import row_error_message, timestamp, upload_message
from vcci_server.usage import Usage
from vcci_server.validation import MAX_NAME_BYTES, BatchLimits, Problems, page_size, resource_id

Stream = grpc.aio.ServicerContext[pb.AppendActivitiesRequest, pb.AppendActivitiesResponse]

MODES: dict[int, uploads.Mode] = {
    Upload.MODE_UNSPECIFIED: "committed",
    Upload.MODE_COMMITTED: "committed",
    Upload.MODE_PENDING: "pending",
}


class UploadWriter:
    """The ledger of one upload, held at one epoch."""

    def __init__(
        self, pool: Pool, keeper: PartitionKeeper, opened: uploads.UploadRecord, metrics: Metrics, usage: Usage
    ) -> None:
        self.committed_through = opened.committed_rows
        self.epoch = opened.epoch
        self._pool = pool
        self._keeper = keeper
        self._key = (opened.tenant_id, opened.upload_id)
        self._metrics = metrics
        self._usage = usage
        self._stored = partial(uploads.stored_rows, pool, opened.tenant_id)

    async def commit(self, batches: Sequence[PreparedBatch], after: asyncio.Task[object] | None) -> None:
        """Store batches that follow each other, in one transaction, which ends after the one before, `after`."""
        started = time.perf_counter()
        accepted = sum(batch.accepted for batch in batches)
        async with self._usage.storing(accepted, self._stored):
            self.committed_through = await commit_batches(
                self._pool, self._keeper, *self._key, self.epoch, batches, after=after
            )
        self._metrics.commit_seconds.observe(time.perf_counter() - started)
        self._metrics.accepted.inc(accepted)
        self._metrics.rejected.inc(sum(batch.rejected for batch in batches))

    async def check(self) -> None:
        """Raise unless this writer still holds the upload."""
        await uploads.check_epoch(self._pool, *self._key, self.epoch)

    def count_duplicate(self, rows: int) -> None:
        """Count rows that came again."""
        self._metrics.duplicate.inc(rows)

    def count_refusal(self, refusal: pb.BatchRefusal) -> None:
        """Count a batch that is not taken."""
        self._metrics.refusals.labels(ErrorReason.Name(refusal.reason).split("_", 2)[2]).inc()


@dataclass(frozen=True, slots=True)
class UploadServices:
    """What the servicer works with."""

    reader: Pool
    writer: Pool
    keeper: PartitionKeeper
    suppliers: SupplierStore
    factors: FactorCache
    executor: Executor
    admission: Admission
    metrics: Metrics
    limits: BatchLimits
    operations: OperationServicer


class UploadServicer(upload_service_pb2_grpc.UploadServiceServicer):
    """Uploads of the caller's tenant."""

    def __init__(self, services: UploadServices) -> None:
        self._services = services
        self._reader = services.reader
        self._writer = services.writer
        self._open: set[Intake] = set()
        self._draining = False

    async def CreateUpload(self, request: pb.CreateUploadRequest, context: object) -> Upload:
        """Make an upload, or return the one with the same request id."""
        problems = Problems()
        problems.request_id(request.request_id)
        problems.text("display_name", request.display_name, MAX_NAME_BYTES)
        if request.mode not in MODES:
            problems.add("mode", request.mode, "MODE_COMMITTED or MODE_PENDING", "OUT_OF_RANGE")
        problems.check()
        record = await uploads.create(
            self._writer,
            caller().tenant_id,
            request_id=request.request_id,
            display_name=request.display_name,
            mode=MODES[request.mode],
            allow_negative=request.allow_negative,
        )
        return upload_message(record)

    async def AppendActivities(  # type: ignore[override]  # writes to the context, which the stubs do not know
        self, requests: AsyncIterator[pb.AppendActivitiesRequest], context: Stream
    ) -> None:
        """Store batches until the stream ends."""
        upload_id = await _opened_upload(requests)
        services = self._services
        async with services.admission.stream(caller()) as stream:
            self._refuse_when_draining()
            record = await uploads.open_upload(self._writer, caller().tenant_id, upload_id)
            writer = UploadWriter(self._writer, services.keeper, record, services.metrics, stream.usage)
            intake = Intake(self._preparation(record), writer, stream, context.write, credits=stream.credits)
            self._open.add(intake)
            try:
                await context.write(pb.AppendActivitiesResponse(opened=self._opened(writer, stream)))
                self._refuse_when_draining()
                await intake.run(requests)
            finally:
                self._open.remove(intake)
            if self._draining:
                await uploads.note_drain(self._writer, record, writer.committed_through)
            self._refuse_when_draining()

    async def GetUpload(self, request: pb.GetUploadRequest, context: object) -> Upload:
        """Return an upload."""
        upload_id = resource_id(request.name, "uploads")
        return upload_message(await uploads.get(self._reader, caller().tenant_id, upload_id))

    async def ListUploads(self, request: pb.ListUploadsRequest, context: object) -> pb.ListUploadsResponse:
        """List uploads, newest first."""
        size = page_size(request.page_size, 50, 1_000)
        before = read_token(request.page_token, "uploads", caller().tenant_id, default=uploads.LAST)
        records = await uploads.list_page(self._reader, caller().tenant_id, limit=size + 1, before=before)
        return pb.ListUploadsResponse(
            uploads=[upload_message(record) for record in records[:size]],
            next_page_token=write_token("uploads", caller().tenant_id, records[size - 1].upload_id)
            if len(records) > size
            else "",
        )

    async def ListRowErrors(self, request: pb.ListRowErrorsRequest, context: object) -> pb.ListRowErrorsResponse:
        """List the rejected rows of an upload."""
        upload_id = resource_id(request.upload, "uploads", "upload")
        size = page_size(request.page_size, 1_000, 10_000)
        scope = f"uploads/{upload_id}/errors"
        after = read_token(request.page_token, scope, caller().tenant_id, default=-1)
        await uploads.get(self._reader, caller().tenant_id, upload_id)
        errors = await uploads.list_row_errors(self._reader, caller().tenant_id, upload_id, limit=size + 1, after=after)
        return pb.ListRowErrorsResponse(
            row_errors=[row_error_message(error) for error in errors[:size]],
            next_page_token=write_token(scope, caller().tenant_id, errors[size - 1].row) if len(errors) > size else "",
        )

    async def FinalizeUpload(self, request: pb.FinalizeUploadRequest, context: object) -> Upload:
        """Close an upload."""
        upload_id = resource_id(request.name, "uploads")
        row_count = request.row_count if request.HasField("row_count") else None
        if row_count is not None and row_count < 0:
            raise InvalidField("row_count", row_count, "0 or more", reason="OUT_OF_RANGE")
        tasks = follow_ups(request)
        done = await uploads.finalize(
            self._writer, caller().tenant_id, upload_id, row_count, check=systems.check_shares
        )
        message = upload_message(done)
        for request_id, task in tasks:
            message.operations.append((await self._services.operations.start(request_id, task)).name)
        return message

    async def AbandonUpload(self, request: pb.AbandonUploadRequest, context: object) -> Upload:
        """Remove an upload's emissions."""
        upload_id = resource_id(request.name, "uploads")
        return upload_message(await uploads.abandon(self._writer, caller().tenant_id, upload_id, folding.unfold))

    async def drain(self, deadline_s: float) -> None:
        """Tell every writer, take nothing more, and wait until what was taken is committed and acknowledged."""
        self._draining = True
        notice = pb.Drain(deadline=timestamp(time.time() + deadline_s))
        drains = asyncio.gather(*(intake.drain(notice) for intake in self._open), return_exceptions=True)
        with contextlib.suppress(TimeoutError):  # the server then closes what is still open
            await asyncio.wait_for(drains, deadline_s)

    def _refuse_when_draining(self) -> None:
        if self._draining:
            raise Unavailable("The server is going down: connect again", reason="DRAINING")

    def _preparation(self, record: uploads.UploadRecord) -> Preparation:
        services = self._services
        return Preparation(
            tenant_id=record.tenant_id,
            allow_negative=record.allow_negative,
            executor=services.executor,
            factors=services.factors,
            suppliers=services.suppliers,
            limits=services.limits,
        )

    def _opened(self, writer: UploadWriter, stream: OpenStream) -> pb.UploadOpened:
        limits = self._services.limits
        return pb.UploadOpened(
            committed_through=writer.committed_through,
            epoch=writer.epoch,
            credits=stream.credits,
            limits=pb.BatchLimits(
                max_message_bytes=limits.max_message_bytes,
                max_rows=stream.usage.rows_at_once(limits.max_rows),
                max_dictionary_entries=limits.max_dictionary_entries,
                max_string_bytes=limits.max_string_bytes,
                max_row_errors_inline=limits.max_row_errors_inline,
                max_stream_suppliers=limits.max_stream_suppliers,
            ),
        )


async def _opened_upload(requests: AsyncIterator[pb.AppendActivitiesRequest]) -> int:
    """Return the id of the upload that the first message opens."""
    first = await anext(requests, pb.AppendActivitiesRequest())
    if first.WhichOneof("request") != "open":
        found = first.WhichOneof("request") or "nothing"
        raise InvalidField("open", found, "`open` as the first message", reason="UPLOAD_NOT_OPEN")
    return resource_id(first.open.upload, "uploads", "open.upload")
