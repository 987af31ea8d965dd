"""The sending side of an upload: a window of unacknowledged batches, and every row stored once.

    encoder (a thread) ──▶ one batch ahead ──▶ window, at most `credits` ──▶ server
                                                  ▲                            │
                                                  └─── acknowledged: dropped ◀─┘

A batch stays in memory until the server says that it is durable. When the connection breaks, the upload is opened
again and goes on at the server's offset.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import grpc
import grpc.aio
from vcci.v1 import upload_service_pb2 as pb
from vcci.v1.error_pb2 import ErrorReason

from vcci_client.append_call import AppendCall
from vcci_client.connection import Connection, Pauses
from vcci_client.errors import BatchRefused, ServerError, Unavailable, UploadInterrupted
from vcci_client.window import BatchesFrom, Window

REFUSALS_IN_A_ROW = 3  # of a batch that may be right when it is sent again
MENDABLE = (ErrorReason.ERROR_REASON_OFFSET_MISMATCH, ErrorReason.ERROR_REASON_CHECKSUM_MISMATCH)


class Stage(StrEnum):
    """What an upload is doing."""

    SENDING = "sending"
    WAITING = "waiting for the server"
    FINALIZING = "finalizing"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an upload is."""

    upload: str
    stage: Stage = Stage.SENDING
    rows_committed: int = 0  # stored or rejected
    rows_sent: int = 0  # and acknowledged, in this run
    rows_rejected: int = 0  # in this run
    rows_duplicate: int = 0  # in this run: the server had them already
    problem: str = ""  # why it waits


class Appender:
    """Sends the batches of one upload, through as many connections as it takes."""

    def __init__(
        self,
        connection: Connection,
        upload: str,
        batches_from: BatchesFrom,
        *,
        patience_s: float,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._connection = connection
        self._window = Window(batches_from)
        self._pauses = Pauses(patience_s)
        self._on_progress = on_progress
        self.progress = Progress(upload)

    async def run(self) -> int:
        """Send everything; return the upload's number of rows when the server has them all, durable."""
        try:
            while not self._window.is_done:
                try:
                    await self._session()
                except ServerError as error:
                    await self._pause(error)
            return self.progress.rows_committed
        finally:
            self._window.close()

    async def _pause(self, error: ServerError) -> None:
        if not self._connection.is_passing(error):
            raise error
        self._report(stage=Stage.WAITING, problem=str(error))
        try:
            await self._pauses.wait(error)
        except ServerError as last:
            raise UploadInterrupted(self.progress.upload, self.progress.rows_committed, str(last)) from last
        self._report(stage=Stage.SENDING, problem="")

    async def _session(self) -> None:
        """Open the upload and send until there is nothing left, or the connection breaks."""
        call = AppendCall(self._connection)
        try:
            await self._exchange(call)
        except grpc.aio.AioRpcError as error:
            raise self._connection.error(error) from None
        finally:
            await call.close()

    async def _exchange(self, call: AppendCall) -> None:
        opening = pb.AppendActivitiesRequest(open=pb.OpenUpload(upload=self.progress.upload))
        await call.write(opening.SerializeToString())
        answer = await call.answer()
        if not answer.HasField("opened"):
            raise Unavailable("the server goes down", code=grpc.StatusCode.UNAVAILABLE)
        self._window.open(answer.opened)
        self._report(rows_committed=answer.opened.committed_through)
        while (batch := await self._window.next_to_send()) or self._window.in_flight:
            if batch:
                await call.append(batch)
            elif answered := await call.answer_or(self._window.coming()):
                self._take(answered)
        await call.done_writing()

    def _take(self, response: pb.AppendActivitiesResponse) -> None:
        match response.WhichOneof("response"):
            case "ack":
                self._acknowledge(response.ack)
            case "refusal":
                self._refuse(response.refusal)
            case "drain":
                self._window.drain()

    def _acknowledge(self, ack: pb.BatchAck) -> None:
        batch = self._window.acknowledge(ack)
        self._pauses.progress()
        self._report(
            rows_committed=ack.committed_through,
            rows_sent=self.progress.rows_sent + batch.rows,
            rows_rejected=self.progress.rows_rejected + ack.rejected_rows,
            rows_duplicate=self.progress.rows_duplicate + batch.rows * ack.duplicate,
        )

    def _refuse(self, refusal: pb.BatchRefusal) -> None:
        if refusal.reason not in MENDABLE or self._window.refuse(refusal) > REFUSALS_IN_A_ROW:
            raise BatchRefused(self.progress.upload, refusal)

    def _report(self, **changes: Any) -> None:
        self.progress = replace(self.progress, **changes)
        self._on_progress(self.progress)
