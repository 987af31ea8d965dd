"""Runs and what they changed, as the contract has them."""

from collections.abc import Mapping
from datetime import datetime
from math import inf

import asyncpg
from google.longrunning import operations_proto_pb2 as longrunning
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import code_pb2, status_pb2
from google.type.decimal_pb2 import Decimal
from vcci.v1 import error_pb2
from vcci.v1 import run_pb2 as pb
from vcci.v1 import run_service_pb2 as service_pb
from vcci.v1.calculation_service_pb2 import RecalculateRequest

from vcci_server.storage.run_sums import Change, total_of
from vcci_server.storage.runs import RunRecord, State

RUNS, OPERATIONS = "runs", "operations"

STATES: Mapping[State, "pb.Run.State.ValueType"] = {
    "running": pb.Run.STATE_RUNNING,
    "succeeded": pb.Run.STATE_SUCCEEDED,
    "cancelled": pb.Run.STATE_CANCELLED,
    "failed": pb.Run.STATE_FAILED,
}
CANCELLED = status_pb2.Status(code=code_pb2.CANCELLED, message="The run was cancelled; what it had restated is gone")


def request_of(run: RunRecord) -> RecalculateRequest:
    """Return what a run was asked to do."""
    return RecalculateRequest.FromString(run.request)


def run_message(run: RunRecord, changes: Mapping[int, Change] | None = None) -> pb.Run:
    """Return a run, with what it changed by category where that is given."""
    request = request_of(run)
    message = pb.Run(
        name=f"{RUNS}/{run.run_id}",
        operation=f"{OPERATIONS}/{run.run_id}",
        display_name=request.display_name,
        state=STATES[run.state],
        error=status_pb2.Status.FromString(run.error) if run.error else None,
        filter=request.filter,
        factor_set=f"factorSets/{run.factor_set_id}",
        gwp_set=request.gwp_set,
        price_set=f"priceSets/{run.price_set_id}" if run.price_set_id else "",
        rows_total=run.rows_total,
        rows_done=run.rows_done,
        rejected_rows=run.rejected_rows,
        open_uploads=run.open_uploads,
        significance_threshold=request.significance_threshold,
        create_time=time_of(run.created_at),
        start_time=time_of(run.started_at),
        end_time=time_of(run.ended_at),
    )
    if changes is not None:
        threshold = request.significance_threshold
        message.total.CopyFrom(change_message(total_of(list(changes.values())), threshold))
        message.categories.extend(change_message(change, threshold, of) for of, change in sorted(changes.items()))
    return message


def change_message(change: Change, threshold: float, category: int = 0) -> pb.RunChange:
    """Return a change, exactly, and whether it exceeds the threshold; 0 is none."""
    relative = _relative(change)
    return pb.RunChange(
        category=category,  # type: ignore[arg-type]  # a number of Category
        rows=change.rows,
        before_kg_co2e=decimal(change.old_ug),
        after_kg_co2e=decimal(change.old_ug + change.difference_ug),
        difference_kg_co2e=decimal(change.difference_ug),
        relative_difference=relative,
        significant=0 < threshold < abs(relative),
        causes=[
            pb.RunCauseDifference(
                cause=cause,  # type: ignore[arg-type]  # the engine's Cause has the contract's numbers
                rows=rows,
                difference_kg_co2e=decimal(ug),
            )
            for cause, (rows, ug) in sorted(change.causes.items())
        ],
    )


def decimal(ug: int) -> Decimal:
    """Return micrograms as kg, every digit of them."""
    whole, part = divmod(abs(ug), 10**9)
    digits = f"{whole}.{part:09}".rstrip("0").rstrip(".")
    return Decimal(value=f"-{digits}" if ug < 0 else digits)


def operation_message(run: RunRecord, changes: Mapping[int, Change] | None = None) -> longrunning.Operation:
    """Return the operation of a run; one that has succeeded needs what it changed."""
    operation = longrunning.Operation(name=f"{OPERATIONS}/{run.run_id}", done=run.state != "running")
    operation.metadata.Pack(
        pb.RunProgress(
            run=f"{RUNS}/{run.run_id}",
            state=STATES[run.state],
            rows_total=run.rows_total,
            rows_done=run.rows_done,
            create_time=time_of(run.created_at),
            start_time=time_of(run.started_at),
        )
    )
    if run.state == "succeeded":
        operation.response.Pack(run_message(run, changes))
    elif run.state != "running":
        operation.error.CopyFrom(status_pb2.Status.FromString(run.error) if run.error else CANCELLED)
    return operation


def row_error_message(upload_id: int, row: asyncpg.Record) -> service_pb.RunRowError:
    """Return a row that could not be calculated."""
    fields = {name: row[name] for name in ("row", "reason", "field", "value", "expected", "reference")}
    return service_pb.RunRowError(upload=f"uploads/{upload_id}", row_error=error_pb2.RowError(**fields))


def _relative(change: Change) -> float:
    if not change.difference_ug:
        return 0.0
    if not change.old_ug:
        return inf if change.difference_ug > 0 else -inf
    return change.difference_ug / abs(change.old_ug)


def time_of(when: datetime | None) -> Timestamp | None:
    """Return a time, where there is one."""
    if when is None:
        return None
    time = Timestamp()
    time.FromDatetime(when)
    return time
