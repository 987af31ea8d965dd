"""Scales from each row's own unit (the quantity's x its inputs') to its factor's."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
import numpy.typing as npt

from vcci_engine.activities import Activities, FloatArray, Positions
from vcci_engine.distinct import distinct
from vcci_engine.factors import FactorTable
from vcci_engine.findings import Finding
from vcci_engine.inputs import Given, sets
from vcci_engine.methods import METHODS, Input
from vcci_engine.results import Reason
from vcci_engine.units import ONE, Unit, conversion, parse, product

KG_CO2E = "kg CO2e"


@dataclass(frozen=True, slots=True)
class Scales:
    """The distinct scales of a batch, NaN where units do not convert, and which of them each row has."""

    scale: FloatArray
    unit: Sequence[Unit | None]  # of the amount, by scale
    inputs: Sequence[tuple[Input, ...]]  # all that were given, by scale
    index: Positions  # by row


def find_scales(
    batch: Activities, units: Sequence[Unit | None], given: Sequence[Given], table: FactorTable, factor: Positions
) -> Scales:
    """Return the scales: one conversion per distinct unit, set of inputs and unit of the factor."""
    targets = (*table.lookup.units, None, parse(KG_CO2E))
    own = len(targets) - 2  # a supplier's factor is per the row's own unit
    index, input_sets = sets(given, len(batch))
    code = batch.unit.astype(np.intp) * len(input_sets)
    if len(input_sets) > 1:
        code += index
    code *= len(targets)
    code += table.lookup.unit.take(factor)
    codes, position = distinct(code, len(units) * len(input_sets) * len(targets))
    scale, amounts, inputs = [], [], []
    for pair, to in (divmod(value, len(targets)) for value in codes.tolist()):
        unit, number = divmod(pair, len(input_sets))
        amount = _amount_unit(units[unit], input_sets[number])
        scale.append(_scale(amount, amount if to == own else targets[to]))
        amounts.append(amount)
        inputs.append(input_sets[number])
    return Scales(np.array(scale, np.float64), amounts, inputs, position)


def check_scales(batch: Activities, table: FactorTable, factor: Positions, scales: Scales) -> Iterator[Finding]:
    """Find rows whose unit, with their multipliers', is not of the factor's dimension."""
    if not (wrong := np.isnan(scales.scale)).any():
        return

    def expected(row: int) -> str:
        together = _together(scales.inputs[scales.index[row]])
        if factor[row] == len(table):
            return "an amount of a currency" + together
        text = table.unit[factor[row]] if factor[row] < len(table) else KG_CO2E
        return f"a unit of {parse(text)}, like {text}" + together

    yield Finding(
        wrong.take(scales.index),
        Reason.INCOMPATIBLE_UNIT,
        "unit",
        lambda row: batch.units[batch.unit[row]],
        expected,
    )


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


def _amount_unit(unit: Unit | None, inputs: Sequence[Input]) -> Unit | None:
    """Return the unit of a quantity with its inputs; `currency` in an input's unit is the quantity's.

    None when the unit is not understood, or has no currency and needs one.
    """
    if unit is None or (not unit.currency and any("currency" in of.unit for of in inputs)):
        return None
    powers = [(parse(of.unit.replace("currency", unit.currency)), of.power) for of in inputs if of.unit and of.power]
    return product([(unit, 1), *((part or ONE, power) for part, power in powers)])


def _scale(amount: Unit | None, to: Unit | None) -> float:
    scale = None if amount is None or to is None else conversion(amount, to)
    return nan if scale is None else scale


def _together(inputs: Sequence[Input]) -> str:
    given = " and ".join(f"{of.name} ({of.unit or 'a number'})" for of in inputs if of.power)
    return f", together with {given}" if given else ""
