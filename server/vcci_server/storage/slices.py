"""Where in a segment a supplier's rows may be, without reading it: every so-many-th supplier, kept in the process.

Segments are sorted by supplier and never change. What is kept is under the hash of a segment's inputs, of which its
suppliers are a part, and so is right for good, whatever the database.
"""

from collections import OrderedDict

import numpy as np
import numpy.typing as npt

STEP = 256  # rows; a chunk in which PostgreSQL keeps a long column has 2 kB
WORTH_ROWS = 4_096  # smaller segments are read as a whole
MOST_KEPT = 50_000  # segments, some 500 bytes each

Ids = npt.NDArray[np.int32]


class Marks:
    """The suppliers of the rows 0, STEP, 2 STEP, … of segments."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._kept: OrderedDict[bytes, Ids] = OrderedDict()

    def __contains__(self, input_hash: bytes) -> bool:
        return input_hash in self._kept

    def add(self, input_hash: bytes, suppliers: Ids) -> None:
        """Note a segment's column of suppliers; what was not asked for longest goes."""
        self._kept[input_hash] = suppliers[::STEP].copy()
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def rows(self, input_hash: bytes, n: int, wanted: Ids) -> tuple[int, int]:
        """Return the rows [start, stop) that have all those of the wanted suppliers (ascending)."""
        self._kept.move_to_end(input_hash)
        marks = self._kept[input_hash]
        start = int(np.searchsorted(marks, wanted[0])) - 1
        stop = int(np.searchsorted(marks, wanted[-1], side="right"))
        return max(start, 0) * STEP, min(stop * STEP, n)
