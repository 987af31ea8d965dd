"""Notices in words: what was wanted, why it was not possible, and what was used instead."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vcci_engine.factors import FactorTable
from vcci_engine.methods.multipliers import MARGINS, PRICE_BASES
from vcci_engine.regions import named
from vcci_engine.results import Notice
from vcci_engine.units import parse

MOST_NAMED = 8  # regions or years of a key that are named one by one


@dataclass(frozen=True, slots=True)
class Step:
    """One step away from what was wanted."""

    notice: Notice
    wanted: str
    why_not: str
    used: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What a row asks for, as far as a notice may say that it got something else."""

    country: str  # ISO 3166-1 alpha-2; "" is not known
    year: int
    month: int  # 1 to 12
    unit: str
    inputs: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Row:
    asked: Asked
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

    @property
    def unit(self) -> str:
        return self.table.unit[self.factor]

    @property
    def price_year(self) -> int:
        return int(self.table.lookup.price_year[self.factor])


def steps(bits: int, asked: Asked, factor: int, table: FactorTable) -> list[Step]:
    """Return the steps of a row's notices; `factor` is the position of the factor used in the table of its set."""
    if factor >= len(table):  # the supplier's own, or reported emissions: nothing was stepped over
        return []
    row = _Row(asked, factor, table)
    return [told(notice, row) for notice, told in _TOLD.items() if bits >> notice & 1]


def _downgrade(wanted: str, used: str, why_not: str) -> Callable[[Notice, _Row], Step]:
    return lambda notice, row: Step(notice, wanted, why_not.format(key=row.key, unit=row.unit), used)


def _wider_region(notice: Notice, row: _Row) -> Step:
    return _region(notice, row, f"{row.key} for {named(row.region)}")


def _other_region(notice: Notice, row: _Row) -> Step:
    return _region(notice, row, f"{row.key} for {named(row.region)}, its only region")


def _region(notice: Notice, row: _Row, used: str) -> Step:
    regions = sorted({row.table.region[n] for n in row.siblings})
    has = f"the set has it for {_listed([*map(named, regions)])}"
    why_not = has if row.asked.country else f"the supplier's country is not known; {has}"
    return Step(notice, f"{row.key} for {row.asked.country or 'the country of the supplier'}", why_not, used)


def _earlier_year(notice: Notice, row: _Row) -> Step:
    return _year(notice, row, "the nearest before it")


def _later_year(notice: Notice, row: _Row) -> Step:
    return _year(notice, row, "the earliest")


def _year(notice: Notice, row: _Row, which: str) -> Step:
    years = [str(row.table.year[n]) for n in row.siblings if row.table.region[n] == row.region]
    why_not = f"for {named(row.region)} the set has it for {_listed(years)}"
    return Step(notice, f"{row.key} for {row.asked.year}", why_not, f"that for {row.table.year[row.factor]}, {which}")


def _currency(notice: Notice, row: _Row) -> Step:
    asked = row.asked
    month = row.table.prices.month_of_rate(_currency_of(asked.unit), _currency_of(row.unit), asked.year, asked.month)
    rate = f"the rate of {asked.year}-{month:02}" if month else f"the rate of {asked.year}"
    return Step(notice, f"{row.key} per {asked.unit}", f"it is per {row.unit}", rate)


def _currency_of(text: str) -> str:
    unit = parse(text)
    return unit.currency if unit is not None else ""


def _deflated(notice: Notice, row: _Row) -> Step:
    return _prices(notice, row, f"the amount at prices of {row.price_year}, by the index of its currency")


def _not_deflated(notice: Notice, row: _Row) -> Step:
    return _prices(notice, row, "the amount as it is: no price set was active")


def _prices(notice: Notice, row: _Row, used: str) -> Step:
    wanted = f"{row.key} at prices of {row.asked.year}"
    return Step(notice, wanted, f"it is at prices of {row.price_year}", used)


def _price_basis(notice: Notice, row: _Row) -> Step:
    lookup, inputs = row.table.lookup, row.asked.inputs
    said = _basis_text(int(inputs.get("price_basis", 0)), int(inputs.get("margins", 0)))
    has = _basis_text(int(lookup.price_basis[row.factor]), int(lookup.margins[row.factor]))
    return Step(notice, f"{row.key} at {said}", f"it is at {has}, and the set has no variant that fits", "it as it is")


def _basis_text(price_basis: int, margins: int) -> str:
    basis = f"{PRICE_BASES[price_basis]} prices" if price_basis else "prices of any basis"
    return f"{basis} {MARGINS[margins]} margins" if margins else basis


def _fuel(notice: Notice, row: _Row) -> Step:
    used = "the fuel's density or calorific value (docs/prices.md)"
    return Step(notice, f"{row.key} per {row.asked.unit}", f"it is per {row.unit}", used)


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
    Notice.WIDER_REGION_FACTOR: _wider_region,
    Notice.WORLD_FACTOR: _wider_region,
    Notice.OTHER_REGION_FACTOR: _other_region,
    Notice.EARLIER_FACTOR_YEAR: _earlier_year,
    Notice.LATER_FACTOR_YEAR: _later_year,
    Notice.CURRENCY_CONVERTED: _currency,
    Notice.DEFLATED: _deflated,
    Notice.NOT_DEFLATED: _not_deflated,
    Notice.PRICE_BASIS_DIFFERS: _price_basis,
    Notice.FUEL_CONVERTED: _fuel,
}
