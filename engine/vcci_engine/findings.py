"""Wrong rows, as the checks find them, and as they are told: one error a row, the first found."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vcci_engine.errors import shown
from vcci_engine.results import Reason, RowErrors


@dataclass(frozen=True, slots=True)
class Finding:
    """Rows that are wrong in one way; value and expected are made only for the rows that are told."""

    wrong: npt.NDArray[np.bool_]  # by row
    reason: Reason
    field: str
    value: Callable[[int], object]
    expected: str | Callable[[int], str]


def row_errors(findings: Iterable[Finding]) -> RowErrors:
    """Return the first error of each wrong row, in row order."""
    found: dict[int, tuple[Reason, str, str, str]] = {}
    for finding in findings:
        for row in np.flatnonzero(finding.wrong).tolist():
            if row not in found:
                expected = finding.expected if isinstance(finding.expected, str) else finding.expected(row)
                found[row] = (finding.reason, finding.field, shown(finding.value(row)), shown(expected))
    if not found:
        return RowErrors(np.empty(0, np.uint32))
    rows = sorted(found)
    reasons, fields, values, expecteds = zip(*(found[row] for row in rows), strict=True)
    return RowErrors(np.array(rows, np.uint32), reasons, fields, values, expecteds)
