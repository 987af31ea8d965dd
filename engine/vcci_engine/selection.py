"""Some of a batch's emissions."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from vcci_engine.activities import InputColumn
from vcci_engine.results import Emissions
from vcci_engine.segment_codec import COLUMNS


def select(emissions: Emissions, wanted: npt.NDArray[np.bool_]) -> Emissions:
    """Return the emissions that are wanted, in their order, with the same dictionaries."""
    kept = np.flatnonzero(wanted)
    return replace(
        emissions,
        **{name: getattr(emissions, name).take(kept) for name, _ in COLUMNS},
        amount=None if emissions.amount is None else emissions.amount.take(kept),
        group=None if emissions.group is None else emissions.group.take(kept),
        references=tuple(map(emissions.references.__getitem__, kept.tolist())) if emissions.references else (),
        inputs={name: _selected(column, wanted, kept) for name, column in emissions.inputs.items()},
    )


def _selected(column: InputColumn, wanted: npt.NDArray[np.bool_], kept: npt.NDArray[np.intp]) -> InputColumn:
    if column.rows is None:
        return InputColumn(column.values[kept])
    has = wanted[column.rows]
    before = np.cumsum(wanted) - 1  # row of all, to row of those that are kept
    return InputColumn(column.values[has], before[column.rows[has]].astype(np.uint32))
