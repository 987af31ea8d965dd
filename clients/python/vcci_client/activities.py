"""A batch of activities as the client holds it; N is the number of activities."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.uint32]
DayArray = npt.NDArray[np.int32]


class Unreadable(NamedTuple):
    """A cell that is not what its field needs: the server rejects its row with this text."""

    row: int  # within the batch
    field: str  # by its name in Activity; "" is the row as a whole
    value: str
    expected: str


def sliced_cells(cells: Iterable[Unreadable], start: int, stop: int) -> tuple[Unreadable, ...]:
    """Return the cells of the rows [start, stop), numbered from 0."""
    return tuple(cell._replace(row=cell.row - start) for cell in cells if start <= cell.row < stop)


@dataclass(frozen=True, slots=True)
class Input:
    """A further input of a method: `values` for the rows in `rows` (ascending), or for all N when `rows` is None."""

    values: FloatArray
    rows: IndexArray | None = None

    def slice(self, start: int, stop: int) -> "Input":
        """Return the input of the rows [start, stop), numbered from 0."""
        if self.rows is None:
            return Input(self.values[start:stop])
        first, last = np.searchsorted(self.rows, (start, stop))
        return Input(self.values[first:last], self.rows[first:last] - np.uint32(start))


@dataclass(frozen=True, slots=True)
class Dictionary:
    """A column of texts: each row's index into the entries, which may repeat."""

    entries: Sequence[str]
    index: IndexArray

    def texts(self) -> list[str]:
        """Return each row's text."""
        return [self.entries[entry] for entry in self.index.tolist()]

    def slice(self, start: int, stop: int) -> "Dictionary":
        """Return the column of the rows [start, stop), without the entries that they do not use."""
        used, index = _compact(self.index[start:stop], len(self.entries))
        return Dictionary([self.entries[entry] for entry in used], index)


def _compact(index: IndexArray, entries: int) -> tuple[Sequence[int], IndexArray]:
    """Return which entries to keep, and the index into those; all are kept where few could be dropped."""
    if entries <= len(index):
        return range(entries), index
    used, compact = np.unique(index, return_inverse=True)
    return used.tolist(), compact.astype(np.uint32)


@dataclass(frozen=True, slots=True)
class Activities:
    """Parallel columns of N activities. An optional column is None when no row has a value.

    `supplier` counts distinct triples of code, name and country; `names` and `countries` are parallel to its entries,
    or empty. Batches may share one dictionary of all suppliers: as tuples it is looked through once.
    """

    supplier: Dictionary
    category: IndexArray  # 1 to 15
    period: DayArray  # days since 1970-01-01
    quantity: FloatArray
    unit: Dictionary
    names: Sequence[str] = ()
    countries: Sequence[str] = ()
    method: IndexArray | None = None
    factor: Dictionary | None = None
    quality: IndexArray | None = None  # five hexadecimal digits, reliability first
    group: Dictionary | None = None
    references: Sequence[str] = ()  # one per row, or empty
    inputs: Mapping[str, Input] = field(default_factory=dict)
    unreadable: tuple[Unreadable, ...] = ()  # by ascending row

    def __len__(self) -> int:
        return len(self.quantity)

    def slice(self, start: int, stop: int) -> "Activities":
        """Return the rows [start, stop), numbered from 0; parts share the dictionary of suppliers."""
        if start <= 0 and stop >= len(self):
            return self
        inputs = {name: column.slice(start, stop) for name, column in self.inputs.items()}
        return replace(
            self,
            supplier=Dictionary(self.supplier.entries, self.supplier.index[start:stop]),
            category=self.category[start:stop],
            period=self.period[start:stop],
            quantity=self.quantity[start:stop],
            unit=self.unit.slice(start, stop),
            method=None if self.method is None else self.method[start:stop],
            factor=self.factor and self.factor.slice(start, stop),
            quality=None if self.quality is None else self.quality[start:stop],
            group=self.group and self.group.slice(start, stop),
            references=self.references[start:stop],
            inputs={name: column for name, column in inputs.items() if len(column.values)},
            unreadable=sliced_cells(self.unreadable, start, stop),
        )

    def with_used_suppliers(self) -> "Activities":
        """Return the same without most of the suppliers that no row uses."""
        entries = len(self.supplier.entries)
        used, supplier = _compact(self.supplier.index, entries)
        if len(used) == entries:
            return self
        return replace(
            self,
            supplier=Dictionary([self.supplier.entries[entry] for entry in used], supplier),
            names=[self.names[entry] for entry in used] if self.names else (),
            countries=[self.countries[entry] for entry in used] if self.countries else (),
        )
