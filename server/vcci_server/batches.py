"""A batch of activities in either form, as uploads and calculations receive it."""

from vcci.v1 import calculation_service_pb2, error_pb2, upload_service_pb2
from vcci_engine.activities import Activities
from vcci_engine.errors import InvalidField, VcciError
from vcci_engine.factors import FactorTable
from vcci_engine.results import Calculation
from vcci_engine.suppliers import Suppliers

from vcci_server.messages import (
    activities_from_columns,
    calculate_batch,
    check_crc32c,
    decode_and_calculate_rows,
)
from vcci_server.supplier_messages import has_suppliers
from vcci_server.validation import BatchLimits, check_rows

COLUMNS_S_PER_ROW = 0.12e-6  # CPU of decoding, checking and calculating a row of columns
ROWS_S_PER_ROW = 4e-6  # CPU of a message per row, nearly all of it decoding in Python

PARALLEL_COLUMNS = (
    *("quantity", "supplier", "category", "unit", "period"),
    *("method", "factor", "quality", "group", "references", "malformed"),
)

Batch = upload_service_pb2.AppendBatch | calculation_service_pb2.CalculateStreamRequest
Refusal = upload_service_pb2.BatchRefusal | calculation_service_pb2.CalculationRefusal


def is_of_columns(batch: Batch) -> bool:
    """Tell whether the batch comes as columns, not as a message per row."""
    return batch.WhichOneof("payload") == "columns"


def uses_stream_suppliers(batch: Batch) -> bool:
    """Tell whether the batch counts the suppliers of its stream, where that has any."""
    return is_of_columns(batch) and not has_suppliers(batch.columns)


def row_count(batch: Batch) -> int:
    """Return how many rows a batch has; of columns of unequal length, the longest's: it is no heartbeat."""
    if not is_of_columns(batch):
        return max(len(batch.rows.activities), len(batch.rows.malformed))
    return max(len(getattr(batch.columns, name)) for name in PARALLEL_COLUMNS)


def estimated_s(batch: Batch) -> float:
    """Return how many CPU seconds the calculation takes."""
    return row_count(batch) * (COLUMNS_S_PER_ROW if is_of_columns(batch) else ROWS_S_PER_ROW)


def decode_and_calculate(
    factors: FactorTable,
    batch: Batch,
    limits: BatchLimits,
    allow_negative: bool,
    stream_suppliers: Suppliers | None = None,
    gwp_set: str = "",
) -> tuple[Activities, Calculation]:
    """Decode and calculate a batch; a function of the module, so that Ray can run it."""
    if not is_of_columns(batch):
        check_rows(batch.rows, limits)
        return decode_and_calculate_rows(factors, batch.rows, allow_negative, gwp_set)
    if batch.HasField("crc32c"):
        check_crc32c(batch.columns, batch.crc32c)
    activities, early = activities_from_columns(batch.columns, limits, stream_suppliers)
    return activities, calculate_batch(activities, early, factors, allow_negative, gwp_set=gwp_set)


def row_error_messages(
    calculation: Calculation, activities: Activities, offset: int, most: int
) -> list[error_pb2.RowError]:
    """Return the first row errors of a batch, under their row numbers within the upload."""
    errors = calculation.errors
    columns = zip(errors.row[:most], errors.reason, errors.field, errors.value, errors.expected, strict=False)
    return [
        error_pb2.RowError(
            row=offset + int(row),
            reason=int(reason),  # type: ignore[arg-type]  # the engine's Reason has the contract's numbers
            field=field,
            value=value,
            expected=expected,
            reference=reference(activities, int(row)),
        )
        for row, reason, field, value, expected in columns
    ]


def tell(refusal: Refusal, error: VcciError) -> None:
    """Say in a refusal what was wrong with the batch."""
    refusal.reason = error_pb2.ErrorReason.Value(f"ERROR_REASON_{error.reason}")
    refusal.message = str(error)
    if isinstance(error, InvalidField):
        problem = error.problem
        refusal.field, refusal.value, refusal.expected = problem.field, problem.value, problem.expected


def reference(activities: Activities, row: int) -> str:
    """Return the customer's reference of a row, where given."""
    return activities.references[row] if activities.references else ""
