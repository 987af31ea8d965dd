"""What the folded emissions of suppliers come to, exactly, by supplier and by the currency of their money; and what is
shown of it. It is stored in blocks, of a bucket of suppliers each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from vcci_engine.activities import FloatArray
from vcci_engine.totals import nearest_floats

from vcci_server.storage.blocks import pack_tally, unpack_tally
from vcci_server.storage.figures import AMOUNTS, KG, MONEY, SCORED, SIZE, by, currency_code, cut, where
from vcci_server.storage.passes import Tally, combine_tallies, no_tally
from vcci_server.storage.sums import Keys

BUCKET_BITS = 10
KEYS = 3  # of the noted tallies
SUPPLIER, CURRENCY, OWN = range(KEYS)
TOTAL, TOTAL_SIZE, TOTAL_OWN, TOTAL_SCORED = range(4)  # amounts of `totals`
SPENT, SPENT_KG = range(2)  # amounts of `spend`


@dataclass(frozen=True, slots=True)
class Totals:
    """Exact sums of some suppliers."""

    totals: Tally  # by supplier: kg, size, size from its own data, size x mean score
    spend: Tally  # by supplier and currency: money in thousands, and the kg of the same rows

    @classmethod
    def nothing(cls) -> "Totals":
        """Return the sums of no rows."""
        return cls(no_tally(1, 4), no_tally(2, 2))

    @classmethod
    def of_changes(cls, blocks: Sequence[bytes]) -> "Totals":
        """Return what noted changes, by supplier, currency and own, come to."""
        total = combine_tallies([no_tally(KEYS, AMOUNTS), *(unpack_tally(block, KEYS, AMOUNTS) for block in blocks)])
        suppliers = by(total, SUPPLIER, amounts=(KG, SIZE, SCORED))
        own = by(where(total, total.keys[OWN] == 1), SUPPLIER, amounts=(SIZE,))
        own_size = np.zeros((len(suppliers), 2), np.int64)
        own_size[np.searchsorted(suppliers.keys[0], own.keys[0])] = own.sums[0]
        kg, size, scored = suppliers.sums
        money = by(where(total, total.keys[CURRENCY] > 0), SUPPLIER, CURRENCY, amounts=(MONEY, KG))
        return cls(Tally(suppliers.keys, suppliers.rows, (kg, size, own_size, scored)), money)

    @classmethod
    def of_blocks(cls, totals: bytes, spend: bytes) -> "Totals":
        """Return the sums of a bucket."""
        return cls(unpack_tally(totals, 1, 4), unpack_tally(spend, 2, 2))

    def plus(self, others: Sequence["Totals"]) -> "Totals":
        """Add up; a supplier, or a currency of it, without rows goes."""
        totals = combine_tallies([self.totals, *(other.totals for other in others)])
        spend = combine_tallies([self.spend, *(other.spend for other in others)])
        return Totals(where(totals, totals.rows != 0), where(spend, spend.rows != 0))

    def by_bucket(self) -> dict[int, "Totals"]:
        """Return the parts of the buckets."""
        spend = cut(self.spend, self.spend.keys[0] >> BUCKET_BITS)
        none = no_tally(2, 2)
        totals = cut(self.totals, self.suppliers >> BUCKET_BITS)
        return {number: Totals(part, spend.get(number, none)) for number, part in totals.items()}

    @property
    def suppliers(self) -> Keys:
        """The suppliers, ascending."""
        return self.totals.keys[0]


class Blocks(NamedTuple):
    """A bucket as it is stored."""

    bucket: int
    totals: bytes
    spend: bytes


class Shown(NamedTuple):
    """The columns of supplier_figures."""

    supplier_id: list[int]
    emission_count: list[int]
    kg_co2e: list[float]
    currency: list[str]
    spend: list[float | None]
    carbon_intensity: list[float | None]
    data_quality: list[float | None]
    primary_share: list[float | None]


class Columns(NamedTuple):
    """The same as arrays, by supplier; currencies by number, NaN for what is absent."""

    supplier_id: Keys
    emission_count: Keys
    kg_co2e: FloatArray
    currency: Keys
    spend: FloatArray
    carbon_intensity: FloatArray
    data_quality: FloatArray
    primary_share: FloatArray


def added(kept: Mapping[int, tuple[bytes, bytes]], change: Totals) -> tuple[list[Blocks], Shown]:
    """Return the new blocks of the buckets that a change is of, and what is shown of the suppliers changed now."""
    blocks, parts = [], []
    for number, part in change.by_bucket().items():
        total = part.plus([Totals.of_blocks(*kept[number])] if number in kept else [])
        blocks.append(Blocks(number, pack_tally(total.totals), pack_tally(total.spend)))
        parts.append(total)
    total = Totals.nothing().plus(parts)
    return blocks, shown(total, np.isin(total.suppliers, change.suppliers))


def shown(of: Totals, which: npt.NDArray[np.bool_]) -> Shown:
    """Return what is shown of some of the suppliers."""
    columns = columns_of(of)
    optional = (columns.spend, columns.carbon_intensity, columns.data_quality, columns.primary_share)
    return Shown(
        columns.supplier_id[which].tolist(),
        columns.emission_count[which].tolist(),
        columns.kg_co2e[which].tolist(),
        [currency_code(number) for number in columns.currency[which].tolist()],
        *(_optional(column[which]) for column in optional),
    )


def columns_of(of: Totals) -> Columns:
    """Return what is shown of all suppliers."""
    totals = of.totals
    size = nearest_floats(totals.sums[TOTAL_SIZE])
    shares = (_share(nearest_floats(totals.sums[amount]), size) for amount in (TOTAL_SCORED, TOTAL_OWN))
    return Columns(of.suppliers, totals.rows, nearest_floats(totals.sums[TOTAL]) / 1e9, *_money(of), *shares)


def _money(of: Totals) -> tuple[Keys, FloatArray, FloatArray]:
    """Return by supplier the currency that most rows have (of equals the first), the money, and kg per unit of it."""
    supplier, currency = of.spend.keys
    order = np.lexsort((currency, -of.spend.rows, supplier))
    first = order[np.r_[True, np.diff(supplier[order]) > 0]] if len(order) else order
    place = np.searchsorted(of.suppliers, supplier[first])
    millionths, ug = nearest_floats(of.spend.sums[SPENT][first]), nearest_floats(of.spend.sums[SPENT_KG][first])
    codes = np.zeros(len(of.suppliers), np.int64)
    spend, intensity = np.full((2, len(of.suppliers)), np.nan)
    codes[place], spend[place] = currency[first], millionths / 1e6
    intensity[place] = np.divide(ug, millionths, out=np.full(len(ug), np.nan), where=millionths > 0) / 1e3
    return codes, spend, intensity


def _share(part: FloatArray, whole: FloatArray) -> FloatArray:
    share: FloatArray = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole != 0)
    return share.round(9)


def _optional(values: FloatArray) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]
