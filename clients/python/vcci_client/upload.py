"""An upload from end to end: create, append, finalize, sum up."""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

from vcci.v1 import upload_service_pb2 as pb
from vcci.v1.emission_pb2 import EmissionFilter, Estimate
from vcci.v1.emission_service_pb2 import AggregateEmissionsRequest
from vcci.v1.operation_pb2 import OperationTask
from vcci.v1.upload_pb2 import Upload

from vcci_client.activity_file import ActivityFile
from vcci_client.appender import Appender, Progress, Stage
from vcci_client.connection import Connection
from vcci_client.encode import MAX_BATCH_BYTES, EncodedBatch, Form
from vcci_client.errors import AlreadyStarted
from vcci_client.source import Source, batches_of, encoded

BATCH_ROWS = 50_000  # 2 MiB as columns: the cheapest size for the server (docs/decisions/0016-files.md)
PATIENCE_S = 300.0  # a server may be restarted, or moved to another machine, meanwhile
FIRST_PATIENCE_S = 10.0  # before anything was sent, a wrong address is likelier


@dataclass(frozen=True, slots=True)
class UploadOptions:
    """How an upload is made and sent."""

    request_id: str = ""  # the same id is the same upload; empty: derived from a file's contents, else a new one
    display_name: str = ""
    pending: bool = False  # visible as a whole, when it is finalized
    allow_negative: bool = False  # take credit notes
    all_or_nothing: bool = False  # refuse a batch for one wrong row
    form: Form = Form.COLUMNS
    batch_rows: int = BATCH_ROWS
    finalize: bool = True
    follow_ups: tuple[OperationTask, ...] = ()  # begun as operations once it is finalized
    patience_s: float = PATIENCE_S  # how long to go on trying without any progress


@dataclass(frozen=True, slots=True)
class UploadSummary:
    """What an upload came to."""

    upload: str
    rows: int  # stored or rejected
    committed: int  # stored as emissions
    rejected: int
    duplicates: int  # rows of this run that the server had already
    kg_co2e: float  # calculated values (medians), added up
    kg_co2e_median: float  # of their sum, which is higher
    kg_co2e_low: float  # of the sum's 95 % interval, about its median
    kg_co2e_high: float
    seconds: float  # of this run
    rows_per_second: float
    operations: tuple[str, ...] = ()  # of the follow-ups
    already_done: bool = False  # the upload had been finalized before: nothing was sent


def ignore_progress(_: Progress) -> None:
    """Tell nobody."""


def named_by_contents(file: ActivityFile, options: UploadOptions) -> UploadOptions:
    """Fill in what names the upload of a file: the same contents, mapping and options have the same request id."""
    request_id = options.request_id or file.fingerprint(options.pending, options.allow_negative)
    return replace(options, request_id=request_id, display_name=options.display_name or file.path.name)


async def create_upload(connection: Connection, options: UploadOptions) -> Upload:
    """Make the upload, or return the one that the request id has made before."""
    request = pb.CreateUploadRequest(
        request_id=options.request_id,
        display_name=options.display_name,
        mode=Upload.MODE_PENDING if options.pending else Upload.MODE_COMMITTED,
        allow_negative=options.allow_negative,
    )
    return await connection.call(connection.uploads.CreateUpload, request, patience_s=FIRST_PATIENCE_S)


async def create_for_contents(connection: Connection, options: UploadOptions, *, resume: bool, again: bool) -> Upload:
    """Make the upload of some contents, whose request id is derived from them, or find the one made before.

    An abandoned upload does not count; a finalized one counts unless `again`. An unfinished one with rows is taken only
    with `resume`, since another process may be at it: raises AlreadyStarted.
    """
    passed_over = (Upload.STATE_ABANDONED, Upload.STATE_FINALIZED) if again else (Upload.STATE_ABANDONED,)
    number = 1
    upload = await create_upload(connection, options)
    while upload.state in passed_over:
        number += 1
        upload = await create_upload(connection, replace(options, request_id=f"{options.request_id}-{number}"))
    if upload.state == Upload.STATE_OPEN and upload.committed_through and not resume:
        raise AlreadyStarted(upload.name, upload.committed_through)
    return upload


async def run_upload(
    connection: Connection,
    upload: Upload,
    source: Source,
    options: UploadOptions,
    on_progress: Callable[[Progress], None] = ignore_progress,
) -> UploadSummary:
    """Send what the upload lacks of the source, finalize it, and sum it up."""
    started = time.monotonic()
    if upload.state == Upload.STATE_FINALIZED:
        return replace(await _summary(connection, upload, Progress(upload.name), started), already_done=True)

    def batches_from(row: int, limits: pb.BatchLimits) -> AsyncIterator[EncodedBatch]:
        batches = batches_of(source, min(options.batch_rows, limits.max_rows))
        max_bytes = min(MAX_BATCH_BYTES, limits.max_message_bytes)
        return encoded(
            batches,
            row,
            form=options.form,
            all_or_nothing=options.all_or_nothing,
            max_bytes=max_bytes,
            stream_suppliers=limits.max_stream_suppliers,
        )

    appender = Appender(connection, upload.name, batches_from, patience_s=options.patience_s, on_progress=on_progress)
    rows = await appender.run()
    on_progress(replace(appender.progress, stage=Stage.FINALIZING))
    if options.finalize:
        final = pb.FinalizeUploadRequest(name=upload.name, row_count=rows, follow_ups=options.follow_ups)
        ended = await connection.call(connection.uploads.FinalizeUpload, final, patience_s=options.patience_s)
    else:
        asked = pb.GetUploadRequest(name=upload.name)
        ended = await connection.call(connection.uploads.GetUpload, asked, patience_s=options.patience_s)
    return await _summary(connection, ended, appender.progress, started)


async def _summary(connection: Connection, upload: Upload, progress: Progress, started: float) -> UploadSummary:
    seconds = time.monotonic() - started
    total = await _total(connection, upload.name)
    return UploadSummary(
        upload=upload.name,
        rows=upload.committed_through,
        committed=upload.accepted_rows,
        rejected=upload.rejected_rows,
        duplicates=progress.rows_duplicate,
        kg_co2e=upload.kg_co2e,
        kg_co2e_median=total.kg_co2e_median,
        kg_co2e_low=total.kg_co2e_low,
        kg_co2e_high=total.kg_co2e_high,
        seconds=seconds,
        rows_per_second=progress.rows_sent / seconds if seconds else 0.0,
        operations=tuple(upload.operations),
    )


async def _total(connection: Connection, upload: str) -> Estimate:
    request = AggregateEmissionsRequest(filter=EmissionFilter(upload=upload))
    answer = await connection.call(connection.emissions.AggregateEmissions, request, patience_s=PATIENCE_S)
    return answer.total.estimate
