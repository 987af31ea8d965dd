"""What folding sums besides the rollups: by quarter, supplier and currency, and by month and grade of the data.

Pure functions over segments, for a thread or Ray.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from vcci_engine.quality import GRADE, MEAN_SCORE
from vcci_engine.units import parse

from vcci_server.storage.passes import Tally, combine_tallies, no_tally, tally
from vcci_server.storage.reading import Filter, Mask, StoredSegment, selected
from vcci_server.storage.sums import Keys, Sums, column_of, combine, nothing, sum_segments

ROLLUPS = ("month", "category", "method", "factor")
COLUMNS = ("category", "factor", "kg_co2e", "method", "period", "quality", "quantity", "supplier", "unit")

# Keys of the tally by supplier, and its amounts; own is 1 for rows from the supplier's own data.
QUARTER, SUPPLIER, CURRENCY, OWN = range(4)
KG, SIZE, SCORED, MONEY = range(4)  # size: |kg|; scored: |kg| x mean score; money: in thousands of its currency
AMOUNTS = 4
MONEY_UNIT = 1_000.0  # a tally counts to 1e-9, so money to a millionth

LETTERS = 26
MOST_MONEY = 1e15  # of one row; more is a mistake, and would not fit when summed


@dataclass(frozen=True, slots=True)
class Folded:
    """The sums of some rows in every form that is kept."""

    rollups: Sums  # by ROLLUPS
    suppliers: Tally  # by quarter, supplier, currency, own: AMOUNTS
    grades: Tally  # by month and grade: kg

    def __len__(self) -> int:
        return len(self.rollups) + len(self.suppliers) + len(self.grades)

    def __neg__(self) -> "Folded":
        return Folded(-self.rollups, negative(self.suppliers), negative(self.grades))


def no_fold() -> Folded:
    """Return the sums of no rows."""
    return Folded(nothing(len(ROLLUPS)), no_tally(4, AMOUNTS), no_tally(2, 1))


def fold_segments(segments: Sequence[StoredSegment], chosen: Filter) -> Folded:
    """Return the sums of the rows of a filter; there is one segment at least."""
    masks = [selected(segment, chosen) for segment in segments]
    month, quality, kg = (_joined(segments, masks, name) for name in ("month", "quality", "kg_co2e"))
    grades = tally((month, GRADE.take(quality)), (kg,))
    return Folded(sum_segments(segments, chosen, ROLLUPS), by_supplier(segments, masks), grades)


def by_supplier(segments: Sequence[StoredSegment], masks: Sequence[Mask | None]) -> Tally:
    """Return AMOUNTS of the rows of masks by quarter, supplier, currency and own."""
    names = ("quarter", "supplier", "factor", "quality", "kg_co2e")
    quarter, supplier, factor, quality, kg = (_joined(segments, masks, name) for name in names)
    currency, money = _money(segments, masks)
    size = np.abs(kg)
    amounts = (kg, size, size * MEAN_SCORE.take(quality), money)
    return tally((quarter, supplier, currency, (factor == 0).astype(np.uint8)), amounts)


def add_folded(parts: Sequence[Folded]) -> Folded:
    """Add sums up; there is one at least."""
    return Folded(
        combine([part.rollups for part in parts]),
        combine_tallies([part.suppliers for part in parts]),
        combine_tallies([part.grades for part in parts]),
    )


def by(of: Tally, *places: int, amounts: Sequence[int]) -> Tally:
    """Return the sums of some amounts by some of the keys, all given by their places."""
    keys, sums = tuple(of.keys[place] for place in places), tuple(of.sums[amount] for amount in amounts)
    return combine_tallies([Tally(keys, of.rows, sums)])


def where(of: Tally, mask: Mask) -> Tally:
    """Return some of the groups."""
    return Tally(tuple(key[mask] for key in of.keys), of.rows[mask], tuple(sums[mask] for sums in of.sums))


def cut(of: Tally, numbers: Keys) -> dict[int, Tally]:
    """Return the groups of each number; `numbers` ascending, one for each group, as of a tally's first key."""
    found, first = np.unique(numbers, return_index=True)
    bounds = pairwise([*first.tolist(), len(numbers)])
    parts = (slice(start, stop) for start, stop in bounds)
    return {
        number: Tally(tuple(key[part] for key in of.keys), of.rows[part], tuple(sums[part] for sums in of.sums))
        for number, part in zip(found.tolist(), parts, strict=True)
    }


def currency_number(code: str) -> int:
    """Return the number of an ISO 4217 code, from 1; 0 for none."""
    number = 0
    for letter in code:
        number = number * LETTERS + ord(letter) - ord("A")
    return number + 1 if code else 0


def currency_code(number: int) -> str:
    """Return the code of a currency's number."""
    letters = ""
    for place in range(3 if number else 0):
        letters = chr(ord("A") + (number - 1) // LETTERS**place % LETTERS) + letters
    return letters


def negative(of: Tally) -> Tally:
    """Return the sums that take these away."""
    return Tally(of.keys, -of.rows, tuple(-sums for sums in of.sums))


def _money(
    segments: Sequence[StoredSegment], masks: Sequence[Mask | None]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return of each row the number of its quantity's currency, and thousands of it; 0 where it is no money."""
    currencies, amounts = [], []
    for segment, mask in zip(segments, masks, strict=True):
        kinds = [_currency(unit) for unit in segment.units]
        unit, quantity = _chosen(segment.column("unit"), mask), _chosen(segment.column("quantity"), mask)
        currencies.append(np.array([number for number, _ in kinds], np.int64).take(unit))
        amounts.append(np.array([scale for _, scale in kinds]).take(unit) * quantity)
    return np.concatenate(currencies), np.concatenate(amounts).clip(-MOST_MONEY, MOST_MONEY) / MONEY_UNIT


@lru_cache(maxsize=4096)
def _currency(text: str) -> tuple[int, float]:
    """Return the number of the currency that a unit is an amount of, and how much of it; zeros for another unit."""
    unit = parse(text)
    if unit is None or not unit.is_money or [power for _, power in unit.dimensions] != [1]:
        return 0, 0.0
    return currency_number(unit.currency), float(unit.scale)


def _joined(segments: Sequence[StoredSegment], masks: Sequence[Mask | None], name: str) -> npt.NDArray[Any]:
    pairs = zip(segments, masks, strict=True)
    return np.concatenate([_chosen(column_of(segment, name), mask) for segment, mask in pairs])


def _chosen(column: npt.NDArray[Any], mask: Mask | None) -> npt.NDArray[Any]:
    return column if mask is None else column[mask]
