"""Batches of activities, from the wire to arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from vcci.columns import checksum
from vcci.v1 import activity_pb2 as pb
from vcci_engine.activities import Activities, IndexArray, InputColumn
from vcci_engine.calculate import calculate
from vcci_engine.errors import InvalidBatch
from vcci_engine.express import express
from vcci_engine.factors import FactorTable
from vcci_engine.results import Calculation, RowErrors
from vcci_engine.suppliers import Suppliers

from vcci_server.early import EarlyErrors, with_early_errors
from vcci_server.row_messages import activities_from_rows
from vcci_server.supplier_messages import has_suppliers, suppliers_of_batch
from vcci_server.validation import MAX_INPUTS, BatchLimits, check_batch, check_malformed


def activities_from_columns(
    columns: pb.ActivityColumns, limits: BatchLimits, stream: Suppliers | None = None
) -> tuple[Activities, RowErrors]:
    """Return a batch as arrays, and the rows that the client could not read; it may count the stream's suppliers.

    Raises InvalidBatch when it is wrong as a whole.
    """
    suppliers = suppliers_of_batch(columns, limits) if stream is None or has_suppliers(columns) else stream
    activities = Activities(
        suppliers=suppliers,
        units=tuple(columns.units),
        factors=tuple(columns.factors),
        supplier=np.asarray(columns.supplier),
        category=np.asarray(columns.category),
        quantity=np.asarray(columns.quantity),
        unit=np.asarray(columns.unit),
        period=np.asarray(columns.period),
        method=_optional(columns.method),
        factor=_optional(columns.factor),
        quality=_optional(columns.quality),
        groups=tuple(columns.groups),
        group=_optional(columns.group),
        references=tuple(columns.references),
        inputs=_inputs(columns.inputs),
    )
    check_batch(activities, limits, suppliers="the stream's suppliers" if suppliers is stream else "supplier_codes")
    check_malformed("columns", columns.malformed, len(activities))
    return EarlyErrors(columns.malformed).settle(activities)


def check_crc32c(columns: pb.ActivityColumns, crc32c: int) -> None:
    """Raise InvalidBatch unless the columns have this checksum."""
    if (found := checksum(columns)) != crc32c:
        expected = f"{found:#010x}, the CRC-32C of the columns as received"
        raise InvalidBatch("crc32c", f"{crc32c:#010x}", expected, reason="CHECKSUM_MISMATCH")


def _optional(column: Any) -> IndexArray | None:
    return np.asarray(column) if len(column) else None


def _inputs(columns: Sequence[pb.InputColumn]) -> dict[str, InputColumn]:
    if len(columns) > MAX_INPUTS:
        raise InvalidBatch("columns.inputs", len(columns), f"at most {MAX_INPUTS} inputs", reason="LIMIT_EXCEEDED")
    inputs: dict[str, InputColumn] = {}
    for number, column in enumerate(columns):
        if column.name in inputs:
            field = f"columns.inputs[{number}].name"
            raise InvalidBatch(field, column.name, "each input once", reason="MALFORMED_VALUE")
        inputs[column.name] = InputColumn(np.asarray(column.value), _optional(column.row))
    return inputs


def calculate_batch(
    activities: Activities,
    early: RowErrors,
    factors: FactorTable,
    allow_negative: bool,
    *,
    whole_groups: bool = False,
    gwp_set: str = "",
) -> Calculation:
    """Calculate a decoded batch, under its factors' own GWP sets or one; a function of the module, so that Ray can."""
    calculation = calculate(activities, factors, allow_negative=allow_negative, whole_groups=whole_groups)
    return with_early_errors(express(calculation, activities, factors, gwp_set), early)


def decode_and_calculate_rows(
    factors: FactorTable, data: bytes | pb.ActivityRows, allow_negative: bool, gwp_set: str = ""
) -> tuple[Activities, Calculation]:
    """Decode and calculate a batch of one message per row; a function of the module, so that Ray can run it."""
    activities, early = activities_from_rows(data)
    return activities, calculate_batch(activities, early, factors, allow_negative, gwp_set=gwp_set)
