"""Exact sums of stored emissions by any of their columns: pure functions over segments, for a thread or Ray."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
from vcci_engine.activities import Positions
from vcci_engine.dates import EPOCH, FIRST_DAY, FIRST_YEAR, MONTH, QUARTER
from vcci_engine.distinct import distinct
from vcci_engine.segments import hash_strings
from vcci_engine.totals import Terms, terms_by, without_spread

from vcci_server.storage.reading import Filter, Ids, Mask, StoredSegment, selected

SUMMED = ("factor", "quality", "kg_co2e")  # the columns that every sum needs
MOST_CODES = 1 << 62
LONGEST_QUARTER = 92  # days

Keys = npt.NDArray[np.int64]
Columns = Sequence[npt.NDArray[np.integer[Any]]]


@dataclass(frozen=True, slots=True)
class Countries:
    """The column `country`: the country of each supplier, as its number in `names`; `suppliers` ascending."""

    suppliers: Ids
    country: npt.NDArray[np.int32]
    names: tuple[str, ...]

    def numbers(self, segment: StoredSegment) -> npt.NDArray[np.int32]:
        """Return the column of a segment's rows."""
        return self.country.take(np.searchsorted(self.suppliers, segment.column("supplier")))


@dataclass(frozen=True, slots=True)
class Groups:
    """The column `group` as numbers: the place of each group's hash, ascending; `names` in their order."""

    hashes: npt.NDArray[np.uint64]
    names: tuple[str, ...]

    def numbers(self, segment: StoredSegment) -> npt.NDArray[np.int64]:
        """Return the column of a segment's rows."""
        return np.searchsorted(self.hashes, hash_strings(segment.columns["group"], segment.n))


Made = Mapping[str, Countries | Groups]  # columns that are made of more than a segment has, by name


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums of G groups: `keys` has an array [G] for each column that they are by, and no two groups are the same."""

    keys: tuple[Keys, ...]
    terms: Terms

    def __len__(self) -> int:
        return len(self.terms)

    def __neg__(self) -> "Sums":
        return Sums(self.keys, -self.terms)

    def where(self, mask: Mask) -> "Sums":
        """Return some of the groups."""
        return Sums(tuple(key[mask] for key in self.keys), self.terms[mask])


def nothing(columns: int) -> Sums:
    """Return the sums of no rows."""
    empty = np.empty(0, np.int64)
    none = np.zeros(0, np.uint32)
    return Sums((empty,) * columns, terms_by(empty, 0, np.zeros(0), none.astype(np.uint16), none))


def sum_segments(
    segments: Sequence[StoredSegment],
    chosen: Filter,
    by: Sequence[str],
    made: Made | None = None,
    *,
    spread: bool = True,
) -> Sums:
    """Sum rows of a filter by `supplier`, `country`, `category`, `month`, `quarter`, `method`, `factor`, `group`.

    Without `spread` its terms are zero, in a third of the time.
    """
    columns = chosen_columns(segments, chosen, (*by, *SUMMED), made)
    if not len(columns["kg_co2e"]):
        return nothing(len(by))
    group, first = grouped([columns[name] for name in by], len(columns["kg_co2e"]))
    if spread:
        terms = terms_by(group, len(first), columns["kg_co2e"], columns["quality"], columns["factor"])
    else:
        terms = without_spread(group, len(first), columns["kg_co2e"])
    return Sums(tuple(columns[name][first].astype(np.int64) for name in by), terms)


def chosen_columns(
    segments: Sequence[StoredSegment], chosen: Filter, names: Sequence[str], made: Made | None = None
) -> dict[str, npt.NDArray[Any]]:
    """Return columns of the rows of a filter, stored ones and those that sums are by; and `upload`."""
    masks = [selected(segment, chosen) for segment in segments]
    return {
        name: np.concatenate([_rows(*piece, name, made) for piece in zip(segments, masks, strict=True)])
        for name in dict.fromkeys(names)
    }


def combine(parts: Sequence[Sums]) -> Sums:
    """Add sums by the same columns."""
    terms = concatenate([part.terms for part in parts])
    keys = [np.concatenate(columns) for columns in zip(*(part.keys for part in parts), strict=True)]
    return regroup(keys, terms)


def regroup(keys: Columns, terms: Terms) -> Sums:
    """Add the terms with the same keys."""
    if not len(terms):
        return nothing(len(keys))
    group, first = grouped(keys, len(terms))
    return Sums(tuple(column[first].astype(np.int64) for column in keys), terms.regroup(group, len(first)))


def concatenate(parts: Sequence[Terms]) -> Terms:
    """Return the terms of all parts, one behind the other."""
    return Terms(*(np.concatenate(columns) for columns in zip(*(part.columns for part in parts), strict=True)))


def grouped(columns: Columns, n: int) -> tuple[Positions, Positions]:
    """Return the group of each of n rows, equal in all columns, and a row of each group; n is not 0."""
    code, size = np.zeros(n, np.int64), 1
    for column in columns:
        low, high = int(column.min()), int(column.max())
        if size * (high - low + 1) > MOST_CODES:
            values, code = distinct(code, size)
            size = len(values)
        code = code * (high - low + 1) + (column.astype(np.int64) - low)
        size *= high - low + 1
    values, group = distinct(code, size)
    row = np.empty(len(values), np.intp)
    row[group] = np.arange(n)
    return group, row


def month_number(day: date) -> int:
    """Return the number of a month, as in the key `month`."""
    return (day.year - FIRST_YEAR) * 12 + day.month - 1


def month_days(numbers: Keys) -> Keys:
    """Return the first days of months by their numbers, as days since 1970-01-01."""
    months: Keys = (np.datetime64(f"{FIRST_YEAR}-01") + numbers).astype("datetime64[D]").astype(np.int64)
    return months


def month_start(number: int) -> date:
    """Return the first day of a month by its number."""
    return date(FIRST_YEAR + number // 12, number % 12 + 1, 1)


def quarter_start(number: int) -> date:
    """Return the first day of a quarter by its number, as in the key `quarter`."""
    return month_start(3 * number)


def columns_for(chosen: Filter, by: Sequence[str]) -> list[str]:
    """Return the stored columns that such sums read."""
    stored = {"month": "period", "quarter": "period", "country": "supplier"}
    return sorted({*SUMMED, *chosen.columns, *(stored.get(name, name) for name in by)})


def _rows(segment: StoredSegment, mask: Mask | None, name: str, made: Made | None) -> npt.NDArray[Any]:
    column = column_of(segment, name, made)
    return column if mask is None else column[mask]


def column_of(segment: StoredSegment, name: str, made: Made | None = None) -> npt.NDArray[Any]:
    """Return a column of a segment's rows, a stored one or one made of these (`sum_segments`)."""
    if name in ("month", "quarter"):
        first = (segment.position.quarter - EPOCH).days - FIRST_DAY
        if name == "quarter":
            return np.full(segment.n, QUARTER[first])
        return MONTH[first : first + LONGEST_QUARTER].take(segment.column("period"))
    if name == "upload":
        return np.full(segment.n, segment.position.upload_id, np.int64)
    if made is not None and name in made:
        return made[name].numbers(segment)
    return segment.column(name)
