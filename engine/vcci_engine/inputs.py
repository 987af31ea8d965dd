"""Named inputs of a batch: which rows have which, their product with the quantity, and parts of wholes."""

from collections.abc import Mapping, Sequence
from functools import reduce

import numpy as np

from vcci_engine.activities import FloatArray, InputColumn, Positions
from vcci_engine.distinct import distinct
from vcci_engine.methods import DEDUCTIONS, DIVISORS, INPUTS, MULTIPLIERS, RATIOS, Input

Inputs = Mapping[str, InputColumn]
Given = tuple[Input, InputColumn]

_BITS = 12  # inputs that are told apart in one pass


def known(inputs: Inputs) -> list[Given]:
    """Return the inputs given that a method knows, in the registry's order."""
    return [(of, inputs[name]) for name, of in INPUTS.items() if name in inputs]


def amounts(quantity: FloatArray, inputs: Inputs) -> FloatArray:
    """Return quantity x the multipliers / the divisors that each row has, in their own units.

    In the registry's order, so that products are the same bits in any batch.
    """
    amount = quantity
    for column in multipliers(inputs):
        if column.rows is None:
            amount = amount * column.values
        else:
            amount = amount.copy()
            amount[column.rows] *= column.values
    for total in divisors(inputs, len(quantity)):
        amount = np.where(np.isnan(total), amount, amount / total)
    return amount


def multipliers(inputs: Inputs) -> list[InputColumn]:
    """Return the inputs given that multiply."""
    return [inputs[of.name] for of in MULTIPLIERS if of.name in inputs]


def divisors(inputs: Inputs, rows: int) -> list[FloatArray]:
    """Return what divides the rows, NaN where a row has none."""
    wholes = ([of.name for of in whole] for whole in DIVISORS)
    return [total for names in wholes if (total := _total(names, inputs, rows)) is not None]


def deductions(inputs: Inputs, rows: int) -> FloatArray | None:
    """Return what is taken off each row's factor; None when nothing is."""
    total = _total([of.name for of in DEDUCTIONS], inputs, rows)
    return None if total is None else np.nan_to_num(total)


def ratio(part: str, inputs: Inputs, rows: int) -> FloatArray | None:
    """Return what part of its whole each row has, NaN where it has none; None when no row has."""
    column = inputs.get(part)
    if column is None:
        return None
    wholes = [[of.name for of in whole if of.name in RATIOS[part]] for whole in DIVISORS]
    totals = [total for names in wholes if (total := _total(names, inputs, rows)) is not None]
    if not totals:
        return None
    whole = reduce(np.multiply, (np.where(np.isnan(total), 1.0, total) for total in totals))
    has_whole = ~np.logical_and.reduce([np.isnan(total) for total in totals])
    return np.where(has_whole, spread(column, rows) / whole, np.nan)


def attributions(inputs: Inputs, rows: int) -> FloatArray:
    """Return the part of the whole that each row stands for: its share x its parts of wholes; 1 without any."""
    parts = [spread(inputs["share"], rows)] if "share" in inputs else []
    parts += [part for name in RATIOS if (part := ratio(name, inputs, rows)) is not None]
    return reduce(np.multiply, (np.where(np.isnan(part), 1.0, part) for part in parts), np.ones(rows))


def spread(column: InputColumn, rows: int) -> FloatArray:
    """Return one value per row, NaN where there is none (no value is NaN)."""
    if column.rows is None:
        return column.values
    values = np.full(rows, np.nan)
    values[column.rows] = column.values
    return values


def sets(given: Sequence[Given], rows: int) -> tuple[Positions, list[tuple[Input, ...]]]:
    """Return each row's set of inputs, as an index into the distinct sets, and these."""
    index = np.zeros(rows, np.intp)
    distinct_sets = [{of.name for of, column in given if column.rows is None}]
    some = [(of, column) for of, column in given if column.rows is not None]
    for start in range(0, len(some), _BITS):
        chunk = some[start : start + _BITS]
        bits = index << len(chunk)
        for place, (_, column) in enumerate(chunk):
            bits[slice(None) if column.rows is None else column.rows] |= 1 << place
        values, index = distinct(bits, len(distinct_sets) << len(chunk))
        distinct_sets = [
            distinct_sets[value >> len(chunk)] | {of.name for n, (of, _) in enumerate(chunk) if value >> n & 1}
            for value in values.tolist()
        ]
    return index, [tuple(of for of, _ in given if of.name in names) for names in distinct_sets]


def _total(names: Sequence[str], inputs: Inputs, rows: int) -> FloatArray | None:
    """Return the sum of the inputs of one whole, NaN in rows that have none; None when no row has any."""
    columns = [inputs[name] for name in names if name in inputs]
    if not columns:
        return None
    values = [spread(column, rows) for column in columns]
    if len(values) == 1:
        return values[0]
    total = reduce(np.add, (np.nan_to_num(value, nan=0.0) for value in values))
    return np.where(np.logical_and.reduce([np.isnan(value) for value in values]), np.nan, total)
