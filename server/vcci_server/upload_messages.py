"""Uploads and their row errors, as the contract has them."""

from google.protobuf.timestamp_pb2 import Timestamp
from vcci.v1 import error_pb2
from vcci.v1.upload_pb2 import Upload

from vcci_server.storage.uploads import RowErrorRecord, UploadRecord


def upload_message(record: UploadRecord) -> Upload:
    """Return an upload as the contract has it."""
    return Upload(
        name=f"uploads/{record.upload_id}",
        request_id=record.request_id,
        display_name=record.display_name,
        mode=Upload.Mode.Value(f"MODE_{record.mode.upper()}"),
        allow_negative=record.allow_negative,
        state=Upload.State.Value(f"STATE_{record.state.upper()}"),
        committed_through=record.committed_rows,
        accepted_rows=record.accepted_rows,
        rejected_rows=record.rejected_rows,
        kg_co2e=record.ug_co2e / 10**9,
        create_time=timestamp(record.created_at.timestamp()),
        update_time=timestamp(record.updated_at.timestamp()),
    )


def row_error_message(error: RowErrorRecord) -> error_pb2.RowError:
    """Return a row error as the contract has it."""
    return error_pb2.RowError(
        row=error.row,
        reason=error.reason,  # type: ignore[arg-type]  # stored under the contract's number
        field=error.field,
        value=error.value,
        expected=error.expected,
        reference=error.reference,
    )


def timestamp(seconds: float) -> Timestamp:
    """Return seconds since 1970 as a message."""
    return Timestamp(seconds=int(seconds), nanos=int(seconds % 1 * 1e9))
