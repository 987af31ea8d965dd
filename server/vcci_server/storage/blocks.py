"""Tallies as blocks: int64 columns, little-endian, one behind the other; keys, rows, two limbs of each sum."""

import numpy as np

from vcci_server.storage.passes import Tally

_INT64 = np.dtype("<i8")


def pack_tally(of: Tally) -> bytes:
    """Return a tally as a block."""
    limbs = [limb for sums in of.sums for limb in sums.T]
    return np.array([*of.keys, of.rows, *limbs], _INT64).tobytes()


def unpack_tally(block: bytes, keys: int, amounts: int) -> Tally:
    """Return the tally of a block with so many keys and amounts."""
    columns = np.frombuffer(block, _INT64).reshape(keys + 1 + 2 * amounts, -1)
    limbs = columns[keys + 1 :]
    sums = tuple(np.stack((limbs[place], limbs[place + 1]), axis=1) for place in range(0, len(limbs), 2))
    return Tally(tuple(columns[:keys]), columns[keys], sums)
