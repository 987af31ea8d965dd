"""Rows that are wrong before the engine sees them: cells that the client or the decoder could not read.

Such a row has the quantity NaN, so that the engine rejects it whatever else it holds; then the earlier error takes
the place of the engine's.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from vcci.v1 import activity_pb2 as pb
from vcci_engine.activities import Activities
from vcci_engine.errors import shown
from vcci_engine.results import Calculation, Reason, RowErrors


class EarlyErrors:
    """Collects the first error of each row."""

    def __init__(self, malformed: Iterable[pb.MalformedCell] = ()) -> None:
        self._found: dict[int, tuple[Reason, str, str, str]] = {}
        for cell in malformed:
            self.add(cell.row, Reason.MALFORMED_VALUE, cell.field, cell.value, cell.expected)

    def add(self, row: int, reason: Reason, field: str, value: object, expected: str) -> None:
        """Note an error, unless the row has one."""
        text = shown(str(value).replace("\0", "\\0"))
        self._found.setdefault(row, (reason, field.replace("\0", "\\0"), text, expected))

    def settle(self, activities: Activities) -> tuple[Activities, RowErrors]:
        """Make the wrong rows impossible to calculate (their quantity is written to); return their errors too."""
        errors = _row_errors({row: (row, *error) for row, error in self._found.items()})
        activities.quantity[errors.row] = np.nan
        return activities, errors


def with_early_errors(calculation: Calculation, early: RowErrors) -> Calculation:
    """Return the calculation with the early errors in place of the engine's for the same rows."""
    if not len(early):
        return calculation
    merged = {int(error[0]): error for errors in (calculation.errors, early) for error in _each(errors)}
    return replace(calculation, errors=_row_errors(merged))


_Error = tuple[Any, Reason, str, str, str]


def _each(errors: RowErrors) -> Iterable[_Error]:
    return zip(errors.row, errors.reason, errors.field, errors.value, errors.expected, strict=True)


def _row_errors(errors: dict[int, _Error]) -> RowErrors:
    if not errors:
        return RowErrors(np.empty(0, np.uint32))
    row, reason, field, value, expected = zip(*(errors[row] for row in sorted(errors)), strict=True)
    return RowErrors(np.array(row, np.uint32), reason, field, value, expected)
