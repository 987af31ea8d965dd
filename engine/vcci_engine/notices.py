"""Notices in words: what was wanted, why it was not possible, and what was used instead."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vcci_engine.factors import FactorTable
from vcci_engine.results import Notice

MOST_NAMED = 8  # regions or years of a key that are named one by one


@dataclass(frozen=True, slots=True)
class Step:
    """One step away from what was wanted."""

    notice: Notice
    wanted: str
    why_not: str
    used: str


@dataclass(frozen=True, slots=True)
class _Row:
    country: str  # ISO 3166-1 alpha-2; "" is not known
    year: int
    factor: int  # position in the table
    table: FactorTable

    @property
    def key(self) -> str:
        return self.table.key[self.factor]

    @property
    def siblings(self) -> range:
        """The factors of the same key."""
        return range(*self.table.index[self.key])

    @property
    def region(self) -> str:
        return self.table.region[self.factor]


def steps(bits: int, country: str, year: int, factor: int, table: FactorTable) -> list[Step]:
    """Return the steps of a row's notices; `factor` is the position of the factor used in the table of its set."""
    if factor >= len(table):  # the supplier's own, or reported emissions: nothing was stepped over
        return []
    row = _Row(country, year, factor, table)
    return [told(notice, row) for notice, told in _TOLD.items() if bits >> notice & 1]


def _downgrade(wanted: str, used: str, why_not: str) -> Callable[[Notice, _Row], Step]:
    return lambda notice, row: Step(notice, wanted, why_not.format(key=row.key, unit=row.table.unit[row.factor]), used)


def _world(notice: Notice, row: _Row) -> Step:
    return _region(notice, row, f"{row.key} for the world")


def _other_region(notice: Notice, row: _Row) -> Step:
    return _region(notice, row, f"{row.key} for {row.region}, its only region")


def _region(notice: Notice, row: _Row, used: str) -> Step:
    regions = sorted({row.table.region[n] for n in row.siblings})
    has = f"the set has it for {_listed([region or 'the world' for region in regions])}"
    why_not = has if row.country else f"the supplier's country is not known; {has}"
    return Step(notice, f"{row.key} for {row.country or 'the country of the supplier'}", why_not, used)


def _earlier_year(notice: Notice, row: _Row) -> Step:
    return _year(notice, row, "the nearest before it")


def _later_year(notice: Notice, row: _Row) -> Step:
    return _year(notice, row, "the earliest")


def _year(notice: Notice, row: _Row, which: str) -> Step:
    years = [str(row.table.year[n]) for n in row.siblings if row.table.region[n] == row.region]
    why_not = f"for {row.region or 'the world'} the set has it for {_listed(years)}"
    return Step(notice, f"{row.key} for {row.year}", why_not, f"that for {row.table.year[row.factor]}, {which}")


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


_NO_FACTOR = "the activity has no supplier_factor, and is no reported emissions"
_MONEY = "the factor {key} is per unit of money ({unit})"

_TOLD: Mapping[Notice, Callable[[Notice, _Row], Step]] = {
    Notice.AVERAGE_DATA_INSTEAD_OF_SUPPLIER_SPECIFIC: _downgrade("supplier_specific", "average_data", _NO_FACTOR),
    Notice.SPEND_BASED_INSTEAD_OF_SUPPLIER_SPECIFIC: _downgrade(
        "supplier_specific", "spend_based", f"{_NO_FACTOR}; {_MONEY}"
    ),
    Notice.SPEND_BASED_INSTEAD_OF_AVERAGE_DATA: _downgrade("average_data", "spend_based", _MONEY),
    Notice.WORLD_FACTOR: _world,
    Notice.OTHER_REGION_FACTOR: _other_region,
    Notice.EARLIER_FACTOR_YEAR: _earlier_year,
    Notice.LATER_FACTOR_YEAR: _later_year,
}
