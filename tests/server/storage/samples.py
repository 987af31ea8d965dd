"""Segments and batches to store, with contents that tell where they belong."""

from datetime import date

import numpy as np
from vcci_engine.results import Basis, RowErrors
from vcci_engine.segments import COLUMNS, Segment
from vcci_server.storage.ingest import PreparedBatch

QUARTER = (date(2026, 1, 1) - date(1970, 1, 1)).days
NO_ERRORS = RowErrors(row=np.empty(0, np.uint32))


def segment(n: int = 4, *, first_row: int = 0, quarter: int = QUARTER, ug_co2e: int = 10**18 + 1) -> Segment:
    """Return a segment of `n` emissions whose columns hold the row numbers, as far as their types can."""
    rows = np.arange(first_row, first_row + n)
    return Segment(
        quarter=quarter,
        n=n,
        supplier_min=first_row,
        supplier_max=first_row + n - 1,
        row_min=first_row,
        row_max=first_row + n - 1,
        ug_co2e=ug_co2e,
        units=("kg", "m²"),
        totals=b"totals",
        input_hash=b"hash",
        columns={name: rows.astype(dtype).data for name, dtype in COLUMNS},
        group=None,
        reference=b"reference",
        inputs=None,
    )


def batch(
    offset: int, rows: int, *, errors: RowErrors = NO_ERRORS, references: tuple[str, ...] = (), quarter: int = QUARTER
) -> PreparedBatch:
    """Return a batch of `rows` rows in one segment, less the wrong ones."""
    accepted = rows - len(errors)
    stored = segment(accepted, first_row=offset, quarter=quarter)
    return PreparedBatch(
        offset, rows, accepted, len(errors), Basis(1), [stored] if accepted else [], errors, references
    )
