"""Distinct values of a column of small numbers."""

import numpy as np

from vcci_engine.activities import Positions


def distinct(codes: Positions, size: int) -> tuple[Positions, Positions]:
    """Return the distinct codes, ascending, and each row's position among them; codes are from 0 to `size` - 1.

    As np.unique, but by marking instead of sorting where that costs less (1 ns a row instead of 20).
    """
    if size > 16 * len(codes) + 65_536:
        values, positions = np.unique(codes, return_inverse=True)
        return values, positions
    seen = np.zeros(size, np.bool_)
    seen[codes] = True
    values = np.flatnonzero(seen)
    if len(values) == 1:
        return values, np.zeros(len(codes), np.intp)
    position = np.empty(size, np.intp)
    position[values] = np.arange(len(values))
    return values, position.take(codes)
