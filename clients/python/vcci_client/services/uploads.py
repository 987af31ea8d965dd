"""UploadService."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from pathlib import Path

from vcci.v1 import upload_service_pb2 as pb
from vcci.v1.error_pb2 import RowError
from vcci.v1.upload_pb2 import Upload

from vcci_client.activity_file import ActivityFile
from vcci_client.appender import Progress
from vcci_client.connection import Service
from vcci_client.mapping import Mapping
from vcci_client.source import Rows
from vcci_client.upload import (
    UploadOptions,
    UploadSummary,
    create_for_contents,
    create_upload,
    ignore_progress,
    named_by_contents,
    run_upload,
)
from vcci_client.work import Work, task_of

OnProgress = Callable[[Progress], None]
ERRORS_PER_PAGE = 10_000
DEFAULTS = UploadOptions()


class Uploads(Service):
    """Bulk upload, exactly once."""

    async def upload(
        self, rows: Rows, options: UploadOptions = DEFAULTS, *, on_progress: OnProgress = ignore_progress
    ) -> UploadSummary:
        """Store rows: mappings of field names (docs/files.md) to values, sync or async, or `Activities`.

        With the same `request_id` and rows, an interrupted upload goes on where it stopped; without one, every call
        makes a new upload.
        """
        options = options if options.request_id else replace(options, request_id=uuid.uuid4().hex)
        upload = await create_upload(self.connection, options)
        return await run_upload(self.connection, upload, rows, options, on_progress)

    async def upload_file(
        self,
        file: str | Path | ActivityFile,
        options: UploadOptions = DEFAULTS,
        *,
        mapping: Mapping | None = None,
        resume: bool = False,
        again: bool = False,
        on_progress: OnProgress = ignore_progress,
    ) -> UploadSummary:
        """Store a CSV, JSON Lines, XLSX or Parquet file, read as a stream.

        The same contents are stored once: a second call returns what the first one came to, `already_done`, unless
        `again`. One that was interrupted is taken up only with `resume`; otherwise AlreadyStarted is raised.
        """
        if not isinstance(file, ActivityFile):
            with await asyncio.to_thread(ActivityFile, Path(file), mapping) as opened:
                return await self.upload_file(opened, options, resume=resume, again=again, on_progress=on_progress)
        options = await asyncio.to_thread(named_by_contents, file, options)
        upload = await create_for_contents(self.connection, options, resume=resume, again=again)
        return await run_upload(self.connection, upload, file, options, on_progress)

    async def create_upload(self, options: UploadOptions) -> Upload:
        """Make an upload, or return the one that the request id has made before."""
        return await create_upload(self.connection, options)

    async def get_upload(self, name: str) -> Upload:
        """Return an upload, with the number of rows that are durable."""
        return await self.connection.call(self.connection.uploads.GetUpload, pb.GetUploadRequest(name=name))

    async def list_uploads(self) -> AsyncIterator[Upload]:
        """Yield the uploads, newest first."""
        async for page in self.connection.pages(self.connection.uploads.ListUploads, pb.ListUploadsRequest()):
            for upload in page.uploads:
                yield upload

    async def list_row_errors(self, upload: str) -> AsyncIterator[RowError]:
        """Yield the rejected rows of an upload, in row order."""
        request = pb.ListRowErrorsRequest(upload=upload, page_size=ERRORS_PER_PAGE)
        async for page in self.connection.pages(self.connection.uploads.ListRowErrors, request):
            for error in page.row_errors:
                yield error

    async def finalize_upload(
        self, name: str, row_count: int | None = None, *, follow_ups: Iterable[Work] = ()
    ) -> Upload:
        """Close an upload, if it has `row_count` rows; a pending one becomes visible.

        `follow_ups` are then begun as operations, whose names are in the answer.
        """
        request = pb.FinalizeUploadRequest(name=name, row_count=row_count, follow_ups=map(task_of, follow_ups))
        return await self.connection.call(self.connection.uploads.FinalizeUpload, request)

    async def abandon_upload(self, name: str) -> Upload:
        """Remove an upload's emissions."""
        return await self.connection.call(self.connection.uploads.AbandonUpload, pb.AbandonUploadRequest(name=name))
