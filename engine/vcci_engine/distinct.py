"""Distinct values of a column of small numbers."""

import numpy as np

from vcci_engine.activities import Positions

BITS = 63


def distinct(codes: Positions, size: int) -> tuple[Positions, Positions]:
    """Return the distinct codes, ascending, and each row's position among them; codes are from 0 to `size` - 1.

    As np.unique, but by marking where codes are few (2 to 8 ns a row), else by sorting code and row as one number where
    both fit into one (7 ns instead of 13 to 70).
    """
    if size > 8 * len(codes) + 65_536:
        return _sorted(codes, size)
    seen = np.zeros(size, np.bool_)
    seen[codes] = True
    values = np.flatnonzero(seen)
    if len(values) == 1:
        return values, np.zeros(len(codes), np.intp)
    position = np.empty(size, np.intp)
    position[values] = np.arange(len(values))
    return values, position.take(codes)


def _sorted(codes: Positions, size: int) -> tuple[Positions, Positions]:
    bits = len(codes).bit_length()
    if size.bit_length() + bits > BITS or not len(codes):
        values, positions = np.unique(codes, return_inverse=True)
        return values, positions
    both = codes.astype(np.int64) << bits
    both |= np.arange(len(codes))
    both.sort()
    row = both & ((1 << bits) - 1)
    both >>= bits
    is_new = np.empty(len(codes), np.bool_)
    is_new[0] = True
    np.not_equal(both[1:], both[:-1], out=is_new[1:])
    positions = np.empty(len(codes), np.intp)
    positions[row] = np.cumsum(is_new) - 1
    return both[is_new], positions
