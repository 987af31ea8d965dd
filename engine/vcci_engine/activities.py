"""A batch of activities as parallel columns; N is the number of activities."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from vcci_engine.suppliers import Suppliers

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.uint32]
DayArray = npt.NDArray[np.int32]
Positions = npt.NDArray[np.intp]  # indices that were checked


@dataclass(frozen=True, slots=True)
class InputColumn:
    """One named further input: `values` for the rows in `rows` (ascending), or for all N when `rows` is None."""

    values: FloatArray
    rows: IndexArray | None = None


@dataclass(frozen=True, slots=True)
class Activities:
    """Columns of N activities and the dictionaries that they index.

    The columns are never written to. Strings of a dictionary may repeat; an empty string in `factors` or `groups`
    means none. Lengths and indices are right by construction (the server's `validation` checks them); values are
    checked row by row in `calculate`.
    """

    suppliers: Suppliers
    units: tuple[str, ...]
    factors: tuple[str, ...]
    supplier: IndexArray
    category: IndexArray
    quantity: FloatArray
    unit: IndexArray
    period: DayArray  # days since 1970-01-01
    method: IndexArray | None = None  # None: the best that the data allows
    factor: IndexArray | None = None  # None: no row has a factor key
    quality: IndexArray | None = None  # five hexadecimal digits, reliability first; None: all unknown
    groups: tuple[str, ...] = ()
    group: IndexArray | None = None
    references: tuple[str, ...] = ()  # one per row, or none
    inputs: Mapping[str, InputColumn] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.quantity)
