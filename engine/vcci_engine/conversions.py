"""Scales from each row's own unit (the quantity's x its inputs') to its factor's; of money, with its rate and deflator.

A scale is found once for each distinct unit, set of inputs and target, and where rates are by month, once a month.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import isnan

import numpy as np
import numpy.typing as npt

from vcci_engine.activities import Activities, FloatArray, Positions
from vcci_engine.choice import Choice
from vcci_engine.dates import FIRST_YEAR, MONTH, YEAR, day_index
from vcci_engine.distinct import distinct
from vcci_engine.factor_lookup import Target
from vcci_engine.factors import FactorTable
from vcci_engine.findings import Finding
from vcci_engine.fuels import fuel_scale
from vcci_engine.inputs import Given, sets
from vcci_engine.methods import METHODS, Input
from vcci_engine.money import money_scale
from vcci_engine.prices import Prices
from vcci_engine.results import Notice, Reason
from vcci_engine.scale import INCOMPATIBLE, Scale
from vcci_engine.units import KG_CO2E, ONE, Unit, conversion, parse, product

_MONTHS = int(MONTH[-1]) + 1
_FUEL_CONVERTED = 1 << Notice.FUEL_CONVERTED


@dataclass(frozen=True, slots=True)
class Scales:
    """The distinct scales of a batch, NaN where units do not convert, and which of them each row has."""

    scale: FloatArray
    found: Sequence[Scale]
    unit: Sequence[Unit | None]  # of the amount, by scale
    inputs: Sequence[tuple[Input, ...]]  # all that were given, by scale
    index: Positions  # by row

    def notices(self) -> npt.NDArray[np.uint16] | None:
        """Return bits of notices by row, None when no row has any."""
        bits = [scale.notices for scale in self.found]
        return np.array(bits, np.uint16).take(self.index) if any(bits) else None


def find_scales(
    batch: Activities, units: Sequence[Unit | None], given: Sequence[Given], table: FactorTable, choice: Choice
) -> Scales:
    """Return the scales: one conversion per distinct unit, set of inputs and target of the factor."""
    targets = table.lookup.targets
    index, input_sets = sets(given, len(batch))
    if len(units) * len(input_sets) == 1:
        code = choice.target.astype(np.intp)
    else:
        code = batch.unit.astype(np.intp)
        if len(input_sets) > 1:
            code *= len(input_sets)
            code += index
        code *= len(targets)
        code += choice.target
    codes, position = distinct(code, len(units) * len(input_sets) * len(targets))
    cases = []
    for pair, number in (divmod(value, len(targets)) for value in codes.tolist()):
        unit, of = divmod(pair, len(input_sets))
        amount = amount_unit(units[unit], input_sets[of])
        target = targets[number] if number != len(targets) - 2 else Target(amount)  # a supplier's own: per its unit
        cases.append(_Case(amount, target, input_sets[of]))
    if table.prices.by_month and any(case.is_exchange for case in cases):
        cases, position = _by_month(batch, cases, position)
    found = [_scale(case, table.prices) for case in cases]
    return Scales(
        np.array([scale.value for scale in found], np.float64),
        found,
        [case.amount for case in cases],
        [case.inputs for case in cases],
        position,
    )


@dataclass(frozen=True, slots=True)
class _Case:
    """What a scale depends on."""

    amount: Unit | None
    target: Target
    inputs: tuple[Input, ...]
    month: int = 0  # 1 to 12; 0: not of one month

    @property
    def is_exchange(self) -> bool:
        """Whether money is converted to another currency."""
        amount, to = self.amount, self.target.unit
        return amount is not None and to is not None and bool(amount.currency and to.currency != amount.currency)


def _by_month(batch: Activities, cases: Sequence[_Case], position: Positions) -> tuple[list[_Case], Positions]:
    """Return the cases with those of another currency by month, and which of them each row has."""
    exchanged = np.array([case.is_exchange for case in cases], np.bool_)
    rows = np.flatnonzero(exchanged.take(position))
    code = position[rows] * _MONTHS + MONTH.take(day_index(batch.period[rows]))
    codes, place = distinct(code, len(cases) * _MONTHS)
    index = position.copy()
    index[rows] = place + len(cases)
    return [*cases, *(_of_month(cases, code) for code in codes.tolist())], index


def _of_month(cases: Sequence[_Case], code: int) -> _Case:
    number, month = divmod(code, _MONTHS)
    case = cases[number]
    target = replace(case.target, year=FIRST_YEAR + month // 12)
    return replace(case, target=target, month=month % 12 + 1)


def _scale(case: _Case, prices: Prices) -> Scale:
    amount, target = case.amount, case.target
    if amount is None or target.unit is None:
        return INCOMPATIBLE
    if amount.is_money and target.unit.is_money and target.year:
        return money_scale(amount, target, prices, case.month)
    if (plain := conversion(amount, target.unit)) is not None:
        return Scale(plain)
    fuel = target.fuel and fuel_scale(amount, target.unit, target.fuel, target.net)
    return Scale(fuel[0], _FUEL_CONVERTED * fuel[1]) if fuel else INCOMPATIBLE


def check_scales(batch: Activities, table: FactorTable, factor: Positions, scales: Scales) -> Iterator[Finding]:
    """Find rows whose unit, with their multipliers', is not of the factor's dimension, or has no rate or deflator."""
    if not np.isnan(scales.scale).any():
        return

    def expected(row: int) -> str:
        told: str = scales.found[scales.index[row]].expected
        if told:
            return told.format(year=YEAR[day_index(batch.period[row : row + 1])[0]])
        together = _together(scales.inputs[scales.index[row]])
        if factor[row] == len(table):
            return "an amount of a currency" + together
        text = table.unit[factor[row]] if factor[row] < len(table) else KG_CO2E
        unit = parse(text)
        kind = "an amount of money" if unit is not None and unit.is_money else f"a unit of {unit}"
        return f"{kind}, like {text}{together}"

    for reason in (Reason.INCOMPATIBLE_UNIT, Reason.NO_EXCHANGE_RATE, Reason.NO_PRICE_INDEX):
        wrong = np.array([isnan(scale.value) and scale.reason is reason for scale in scales.found], np.bool_)
        rows = wrong.take(scales.index)
        yield Finding(rows, reason, "unit", lambda row: batch.units[batch.unit[row]], expected)


def check_amounts(batch: Activities, method: npt.NDArray[np.uint8], scales: Scales) -> Iterator[Finding]:
    """Find rows whose amount is not of a dimension that their method is for."""
    if batch.method is None:
        return  # the best of the first three is for any
    codes, position = distinct(scales.index * np.intp(256) + method, len(scales.scale) * 256)
    wrong = [not _is_for(scales.unit[code // 256], code % 256) for code in codes.tolist()]
    if not any(wrong):
        return

    def expected(row: int) -> str:
        units = ", ".join(METHODS[method[row] - 1].units)
        return f"a unit of {units}{_together(scales.inputs[scales.index[row]])}, for {METHODS[method[row] - 1].name}"

    rows = np.array(wrong, np.bool_).take(position)
    yield Finding(rows, Reason.INCOMPATIBLE_UNIT, "unit", lambda row: batch.units[batch.unit[row]], expected)


def _is_for(amount: Unit | None, method: int) -> bool:
    """Whether a method is for such amounts; reported emissions are not amounts of activity."""
    units = METHODS[method - 1].units if method else ()
    if not units or amount is None or amount.is_emissions:
        return True
    return any(amount.dimensions == unit.dimensions for unit in map(parse, units) if unit)


def amount_unit(unit: Unit | None, inputs: Sequence[Input]) -> Unit | None:
    """Return the unit of a quantity with its inputs; `currency` in an input's unit is the quantity's.

    None when the unit is not understood, or has no currency and needs one.
    """
    if unit is None or (not unit.currency and any("currency" in of.unit for of in inputs)):
        return None
    powers = [(parse(of.unit.replace("currency", unit.currency)), of.power) for of in inputs if of.unit and of.power]
    return product([(unit, 1), *((part or ONE, power) for part, power in powers)])


def _together(inputs: Sequence[Input]) -> str:
    given = " and ".join(f"{of.name} ({of.unit or 'a number'})" for of in inputs if of.power)
    return f", together with {given}" if given else ""
