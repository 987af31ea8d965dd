"""Scales from each row's own unit (the quantity's x its multipliers') to its factor's."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np

from vcci_engine.activities import Activities, FloatArray, Positions
from vcci_engine.distinct import distinct
from vcci_engine.factors import FactorTable
from vcci_engine.findings import Finding
from vcci_engine.inputs import Given, sets
from vcci_engine.methods import Input
from vcci_engine.results import Reason
from vcci_engine.units import Unit, conversion, parse, product


@dataclass(frozen=True, slots=True)
class Scales:
    """The distinct scales of a batch, NaN where units do not convert, and which of them each row has."""

    scale: FloatArray
    inputs: Sequence[tuple[Input, ...]]  # the multipliers, by scale
    index: Positions  # by row


def find_scales(
    batch: Activities, units: Sequence[Unit | None], given: Sequence[Given], table: FactorTable, factor: Positions
) -> Scales:
    """Return the scales: one conversion per distinct unit, set of multipliers and unit of the factor."""
    targets = (*table.lookup.units, None)
    index, input_sets = sets(given, len(batch))
    code = batch.unit.astype(np.intp) * len(input_sets)
    if len(input_sets) > 1:
        code += index
    code *= len(targets)
    code += table.lookup.unit.take(factor)
    codes, position = distinct(code, len(units) * len(input_sets) * len(targets))
    scale, inputs = [], []
    for pair, to in (divmod(value, len(targets)) for value in codes.tolist()):
        unit, number = divmod(pair, len(input_sets))
        own = to == len(targets) - 1  # a supplier's factor is per the row's own unit
        scale.append(1.0 if own else _scale(units[unit], input_sets[number], targets[to]))
        inputs.append(input_sets[number])
    return Scales(np.array(scale, np.float64), inputs, position)


def check_scales(batch: Activities, table: FactorTable, factor: Positions, scales: Scales) -> Iterator[Finding]:
    """Find rows whose unit, with their multipliers', is not of the factor's dimension."""
    if not (wrong := np.isnan(scales.scale)).any():
        return

    def expected(row: int) -> str:
        text = table.unit[factor[row]]
        inputs = scales.inputs[scales.index[row]]
        given = " and ".join(f"{known.name} ({known.unit or 'a number'})" for known in inputs)
        return f"a unit of {parse(text)}, like {text}" + (f", together with {given}" if given else "")

    yield Finding(
        wrong.take(scales.index),
        Reason.INCOMPATIBLE_UNIT,
        "unit",
        lambda row: batch.units[batch.unit[row]],
        expected,
    )


def _scale(unit: Unit | None, inputs: Sequence[Input], to: Unit | None) -> float:
    if unit is None or to is None:
        return nan
    parts = [parse(known.unit) for known in inputs if known.unit]
    scale = conversion(product([unit, *(part for part in parts if part)]), to)
    return nan if scale is None else scale
