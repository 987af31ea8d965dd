"""Named inputs of a batch: which rows have which, and their product with the quantity."""

from collections.abc import Mapping, Sequence

import numpy as np

from vcci_engine.activities import FloatArray, InputColumn, Positions
from vcci_engine.distinct import distinct
from vcci_engine.methods import MULTIPLIERS, Input

Given = tuple[Input, InputColumn]


def multipliers(inputs: Mapping[str, InputColumn]) -> list[Given]:
    """Return the multipliers given, in the registry's order, so that products are the same bits in any batch."""
    return [(known, inputs[known.name]) for known in MULTIPLIERS if known.name in inputs]


def amounts(quantity: FloatArray, given: Sequence[Given]) -> FloatArray:
    """Return quantity x the multipliers that each row has, in their own units."""
    amount = quantity
    for _, column in given:
        if column.rows is None:
            amount = amount * column.values
        else:
            amount = amount.copy()
            amount[column.rows] *= column.values
    return amount


def sets(given: Sequence[Given], rows: int) -> tuple[Positions, list[tuple[Input, ...]]]:
    """Return each row's set of multipliers, as an index into the distinct sets, and these."""
    if all(column.rows is None for _, column in given):
        return np.zeros(rows, np.intp), [tuple(known for known, _ in given)]
    bits = np.zeros(rows, np.intp)
    for place, (_, column) in enumerate(given):
        bits[slice(None) if column.rows is None else column.rows] |= 1 << place
    values, index = distinct(bits, 1 << len(given))
    return index, [tuple(known for n, (known, _) in enumerate(given) if value >> n & 1) for value in values.tolist()]
