"""Named inputs of a batch: which rows have which, their product with the quantity, and parts of wholes."""

from collections.abc import Container, Mapping, Sequence
from functools import reduce

import numpy as np

from vcci_engine.activities import FloatArray, IndexArray, InputColumn, Positions
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
    amount, ours = quantity, False
    for column in multipliers(inputs):
        if column.rows is None:
            amount, ours = amount * column.values, True
        else:
            amount, ours = amount if ours else amount.copy(), True
            amount[column.rows] *= column.values
    for column in divisors(inputs, len(quantity)):
        amount, ours = amount if ours else amount.copy(), True
        amount[_at(column)] /= column.values
    return amount


def multipliers(inputs: Inputs) -> list[InputColumn]:
    """Return the inputs given that multiply."""
    return [inputs[of.name] for of in MULTIPLIERS if of.name in inputs]


def divisors(inputs: Inputs, rows: int) -> list[InputColumn]:
    """Return what divides the rows that have it."""
    return _wholes(inputs, rows, set(INPUTS))


def less_deductions(factor: FloatArray, inputs: Inputs) -> FloatArray:
    """Return the factors without what is taken off them."""
    given = [inputs[of.name] for of in DEDUCTIONS if of.name in inputs]
    less = factor.copy() if given else factor
    for column in given:
        less[_at(column)] -= column.values
    return less


def ratio(part: str, inputs: Inputs, rows: int) -> FloatArray | None:
    """Return what part of its whole each row has, NaN where it has none; None when no row has."""
    wholes = _wholes(inputs, rows, set(RATIOS[part])) if part in inputs else []
    if not wholes:
        return None
    value, has_whole = spread(inputs[part], rows).copy(), np.zeros(rows, np.bool_)
    for whole in wholes:
        value[_at(whole)] /= whole.values
        has_whole[_at(whole)] = True
    value[~has_whole] = np.nan
    return value


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
            bits[_at(column)] |= 1 << place
        values, index = distinct(bits, len(distinct_sets) << len(chunk))
        distinct_sets = [
            distinct_sets[value >> len(chunk)] | {of.name for n, (of, _) in enumerate(chunk) if value >> n & 1}
            for value in values.tolist()
        ]
    return index, [tuple(of for of, _ in given if of.name in names) for names in distinct_sets]


def _wholes(inputs: Inputs, rows: int, names: Container[str]) -> list[InputColumn]:
    given = ([inputs[of.name] for of in whole if of.name in inputs and of.name in names] for whole in DIVISORS)
    return [_sum(columns, rows) for columns in given if columns]


def _sum(columns: Sequence[InputColumn], rows: int) -> InputColumn:
    """Return the sum of the inputs of one whole, for the rows that have any."""
    if len(columns) == 1:
        return columns[0]
    values = [spread(column, rows) for column in columns]
    has = np.flatnonzero(~np.logical_and.reduce([np.isnan(value) for value in values]))
    total = reduce(np.add, (np.nan_to_num(value[has], nan=0.0) for value in values))
    return InputColumn(total, has.astype(np.uint32))


def _at(column: InputColumn) -> slice | IndexArray:
    return slice(None) if column.rows is None else column.rows
