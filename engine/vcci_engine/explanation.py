"""One emission as a person would calculate it on paper: a product of terms, in the kernel's order.

The terms come from the registry's declarations, for every method alike; multiplied from left to right they are the
value that the kernel calculates: to the bit, but for money that is converted, of which the kernel multiplies units,
rate and deflator first.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from vcci_engine.activities import Activities, InputColumn
from vcci_engine.choice import choose
from vcci_engine.conversions import find_scales
from vcci_engine.dates import EPOCH
from vcci_engine.factor_lookup import Target
from vcci_engine.factors import FactorTable
from vcci_engine.gases import ratios
from vcci_engine.inputs import known, spread
from vcci_engine.methods import DEDUCTIONS, DIVISORS, METHODS, MULTIPLIERS, SUPPLIER_FACTOR, TOLD, Input
from vcci_engine.prices import Prices
from vcci_engine.regions import named
from vcci_engine.results import Emissions, Notice
from vcci_engine.scale import Scale
from vcci_engine.units import KG_CO2E, Unit, parse

QUANTITY, FACTOR, UNIT, RATE, DEFLATOR, GWP = "quantity", "factor", "unit", "rate", "deflator", "gwp"


# Kind (1 a rate, 2 an index), currency, year and month (0: of the year).
PriceLine = tuple[int, str, int, int]


class Origin(IntEnum):
    """Where a number comes from; the numbers of Origin in protos/vcci/v1/explanation.proto (a test compares them)."""

    GIVEN = 1
    FACTOR_SET = 2
    UNITS = 3
    METHOD = 4
    PRICE_SET = 5
    GWP_SET = 6


@dataclass(frozen=True, slots=True)
class Part:
    """A number with its unit, which is added within its term or taken off."""

    name: str
    value: float
    unit: str
    what: str
    origin: Origin = Origin.GIVEN
    negative: bool = False
    prices: tuple[PriceLine, ...] = ()  # of the price set that it is made of


@dataclass(frozen=True, slots=True)
class Term:
    """What the product is multiplied with or divided by: one number, or several in one unit together."""

    parts: tuple[Part, ...]
    divides: bool = False

    @property
    def value(self) -> float:
        """The parts together, added in the kernel's order."""
        value = self.parts[0].value
        for part in self.parts[1:]:
            value = value - part.value if part.negative else value + part.value
        return value


@dataclass(frozen=True, slots=True)
class _Row:
    """The only activity of a batch, and what it was calculated with."""

    quantity: float
    unit: str
    given: Mapping[str, float]  # inputs by name
    year: int
    month: int
    factor: int | None  # position in the factor table; None: the supplier's own, or reported emissions
    method: int
    scale: Scale
    target: Target


def terms_of(activities: Activities, emissions: Emissions, table: FactorTable, gwp_set: str = "") -> tuple[Term, ...]:
    """Return the terms of the only activity of a batch and its emission, which is under `gwp_set`; "": its factor's."""
    units = [parse(text) for text in activities.units]
    choice = choose(activities, table.lookup, units)
    scales = find_scales(activities, units, known(activities.inputs), table, choice)
    day = EPOCH.fromordinal(EPOCH.toordinal() + int(activities.period[0]))
    row = _Row(
        quantity=float(activities.quantity[0]),
        unit=activities.units[activities.unit[0]],
        given=_values(activities.inputs),
        year=day.year,
        month=day.month,
        factor=int(table.positions(emissions.factor)[0]) if emissions.factor[0] else None,
        method=int(emissions.method[0]),
        scale=scales.found[scales.index[0]],
        target=table.lookup.targets[choice.target[0]],
    )
    return (*_terms(row, table), *_expressed(row, table, gwp_set))


def told(activities: Activities) -> tuple[Part, ...]:
    """Return the inputs of the only activity of a batch that are told with it, and not calculated with."""
    given = _values(activities.inputs)
    return tuple(Part(of.name, given[of.name], of.unit, of.what) for of in TOLD if of.name in given)


def in_names(terms: Sequence[Term]) -> str:
    """Return the formula: `quantity × distance ÷ (equity + debt) × factor`."""
    return _joined(terms, [_together([part.name for part in term.parts], term) for term in terms])


def in_numbers(terms: Sequence[Term]) -> str:
    """Return the formula in numbers and units: `12,000 kg × 340 km × 0.001 tonne*km per kg*km × …`."""
    numbers = [_together([number(part.value) for part in term.parts], term) for term in terms]
    return _joined(terms, [f"{text} {term.parts[0].unit}".rstrip() for text, term in zip(numbers, terms, strict=True)])


def number(value: float) -> str:
    """Return a number for people, with twelve significant digits."""
    return f"{value:,.12g}"


def _terms(row: _Row, table: FactorTable) -> Iterator[Term]:
    yield Term((Part(QUANTITY, row.quantity, row.unit, "amount of the activity"),))
    for of in MULTIPLIERS:
        if of.name in row.given:
            yield Term((_given(of, row),))
    for whole in DIVISORS:
        if parts := tuple(_given(of, row) for of in whole if of.name in row.given):
            yield Term(parts, divides=True)
    for part in _conversions(row, table):
        yield Term((part,))
    if (constant := METHODS[row.method - 1].constant) != 1:
        what = f"constant of {METHODS[row.method - 1].name}"
        yield Term((Part(f"{constant:g}", constant, "", what, Origin.METHOD),))
    if factor := tuple(_factor(row, table)):
        yield Term(factor)


def _conversions(row: _Row, table: FactorTable) -> Iterator[Part]:
    """What brings the amount to the unit, the currency and the prices of its factor."""
    own, to = _amount_unit(row), _target(row, table)
    currency, target = _currency(parse(row.unit)), _currency(row.target.unit)
    if row.scale.units != 1:
        fuel = row.target.fuel if row.scale.notices >> Notice.FUEL_CONVERTED & 1 else None
        to = to.replace(target, currency) if target and currency else to  # money is of its own currency until the rate
        what = f"{to} in one {own}" + (f" of {fuel.name}: {fuel.source}" if fuel else "")
        yield Part(UNIT, row.scale.units, f"{to} per {own}", what, Origin.UNITS)
    if row.scale.rate != 1:
        yield _rate(table.prices, currency, target, row)
    if row.scale.deflator != 1:
        yield _deflator(table.prices, target, row)


def _rate(prices: Prices, of: str, to: str, row: _Row) -> Part:
    month = prices.month_of_rate(of, to, row.year, row.month)
    codes = [code for code in (to, of) if code != prices.base]
    rates = " and ".join(f"{number(prices.rates[code, row.year, month])} {code}" for code in codes)
    what = f"average of {row.year}{f'-{month:02}' if month else ''}: per {prices.base} {rates}"
    lines = tuple((1, code, row.year, month) for code in codes)
    return Part(RATE, row.scale.rate, f"{to} per {of}", what, Origin.PRICE_SET, prices=lines)


def _deflator(prices: Prices, currency: str, row: _Row) -> Part:
    years = (row.target.price_year, row.year)
    then, now = (f"{number(prices.indices[currency, year])} in {year}" for year in years)
    what = f"prices of {currency}: index {then} / {now}"
    lines = tuple((2, currency, year, 0) for year in years)
    return Part(DEFLATOR, row.scale.deflator, "", what, Origin.PRICE_SET, prices=lines)


def _expressed(row: _Row, table: FactorTable, gwp_set: str) -> Iterator[Term]:
    """What brings the result from the factor's GWP set to another."""
    if gwp_set and row.factor is not None and (ratio := float(ratios(table.parts, gwp_set)[row.factor])) != 1:
        own = table.parts.sets[table.parts.gwp_set[row.factor]]
        what = f"kg CO2e of the factor's gases under {gwp_set} / {own}"
        yield Term((Part(GWP, ratio, "", what, Origin.GWP_SET),))


def _factor(row: _Row, table: FactorTable) -> Iterator[Part]:
    """The factor, less what is taken off it; nothing for emissions as they were reported."""
    unit = f"{KG_CO2E} per {_target(row, table)}"
    if row.factor is not None:
        what = f"{table.key[row.factor]} for {named(table.region[row.factor])}, {table.year[row.factor]}"
        yield Part(FACTOR, float(table.kg_co2e[row.factor]), unit, what, Origin.FACTOR_SET)
    elif SUPPLIER_FACTOR.name in row.given and not _is_emissions(row.unit):
        yield Part(SUPPLIER_FACTOR.name, row.given[SUPPLIER_FACTOR.name], unit, SUPPLIER_FACTOR.what)
    for of in DEDUCTIONS:
        if of.name in row.given:
            yield Part(of.name, row.given[of.name], unit, of.what, negative=True)


def _target(row: _Row, table: FactorTable) -> str:
    """The unit that the amount is in when it meets its factor."""
    if row.factor is not None:
        return table.unit[row.factor]
    return KG_CO2E if _is_emissions(row.unit) else _amount_unit(row)


def _amount_unit(row: _Row) -> str:
    """The unit of the quantity with its inputs: `kg*km`, `USD/(USD/litre)`."""
    text = row.unit
    for of in (*MULTIPLIERS, *(of for whole in DIVISORS for of in whole)):
        if of.name in row.given and of.unit:
            unit = _unit(of, row)
            text += f"{'*' if of.power > 0 else '/'}{f'({unit})' if '/' in unit else unit}"
    return text


def _given(of: Input, row: _Row) -> Part:
    return Part(of.name, row.given[of.name], _unit(of, row), of.what)


def _unit(of: Input, row: _Row) -> str:
    """An input's unit; `currency` in it is the quantity's."""
    if "currency" not in of.unit:
        return of.unit
    parsed = parse(row.unit)
    return of.unit.replace("currency", parsed.currency if parsed else "")


def _currency(unit: Unit | None) -> str:
    return unit.currency if unit is not None else ""


def _values(inputs: Mapping[str, InputColumn]) -> dict[str, float]:
    return {name: float(spread(column, 1)[0]) for name, column in inputs.items()}


def _is_emissions(unit: str) -> bool:
    parsed = parse(unit)
    return parsed is not None and parsed.is_emissions


def _joined(terms: Sequence[Term], texts: Sequence[str]) -> str:
    signs = ["", *(" ÷ " if term.divides else " × " for term in terms[1:])]
    return "".join(sign + text for sign, text in zip(signs, texts, strict=True))


def _together(texts: Sequence[str], term: Term) -> str:
    if len(texts) == 1:
        return texts[0]
    signs = ["", *(" − " if part.negative else " + " for part in term.parts[1:])]
    return f"({''.join(sign + text for sign, text in zip(signs, texts, strict=True))})"
