"""The dictionaries of one stream of emissions: every entry is sent once, and rows count them."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from vcci_engine.activities import Positions

MOST_ENTRIES = 250_000  # of all dictionaries of a stream; with more it begins anew
BLOCK_BITS = 8  # a tenant's ids may be far apart, and those that were made together are not
NONE = -1

Ids = npt.NDArray[np.integer[Any]]


class Numbers(NamedTuple):
    """The numbers of some entries, and which of these are new to the dictionary, in the order of their numbers."""

    numbers: npt.NDArray[np.integer[Any]]
    new: Sequence[Any]


class Numbering:
    """Numbers ids from 0 in the order in which they are met: a table of blocks of ids, those that are in use."""

    def __init__(self) -> None:
        self._block = np.zeros(1, np.int32)  # by id >> BLOCK_BITS: which block of the table; the first is empty
        self._table = np.full(1 << BLOCK_BITS, NONE, np.int32)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def number(self, ids: Ids) -> Numbers:
        """Return the numbers of ids (0 or more)."""
        blocks = ids >> BLOCK_BITS
        if len(ids) and (last := int(blocks.max())) >= len(self._block):
            self._block = _grown(self._block, max(last + 1, 2 * len(self._block)), 0)
        numbers = self._table.take(self._places(ids, blocks))
        unknown = numbers < 0
        if not unknown.any():
            return Numbers(numbers, ())
        new = _distinct(ids[unknown])
        self._add(new)
        return Numbers(self._table.take(self._places(ids, blocks)), new.tolist())

    def _add(self, new: Ids) -> None:
        blocks = new >> BLOCK_BITS
        wanted = np.unique(blocks)
        missing = wanted[self._block.take(wanted) == 0]
        if len(missing):
            first = len(self._table) >> BLOCK_BITS
            self._block[missing] = np.arange(first, first + len(missing), dtype=np.int32)
            self._table = _grown(self._table, (first + len(missing)) << BLOCK_BITS, NONE)
        self._table[self._places(new, blocks)] = np.arange(self._count, self._count + len(new), dtype=np.int32)
        self._count += len(new)

    def _places(self, ids: Ids, blocks: Ids) -> Positions:
        places = self._block.take(blocks).astype(np.intp)
        places <<= BLOCK_BITS
        places |= ids & ((1 << BLOCK_BITS) - 1)
        return places


def _distinct(ids: Ids) -> Ids:
    """As np.unique, which by hashing takes six times as long."""
    ids = np.sort(ids)
    return ids[np.concatenate(([True], ids[1:] != ids[:-1]))]


def _grown(array: npt.NDArray[np.int32], size: int, fill: int) -> npt.NDArray[np.int32]:
    return np.concatenate((array, np.full(size - len(array), fill, np.int32)))


class Entries:
    """A dictionary of texts, each of them once."""

    def __init__(self) -> None:
        self._number: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._number)

    def number(self, texts: Iterable[str]) -> Numbers:
        """Return the number of each text."""
        known = len(self._number)
        numbers = [self._number.setdefault(text, len(self._number)) for text in texts]
        new = [*islice(reversed(self._number), len(self._number) - known)]
        return Numbers(np.array(numbers, np.uint32), new[::-1])


class Dictionaries:
    """All dictionaries of a stream, since it began or since they began anew."""

    def __init__(self) -> None:
        self.are_new = True  # until a message is made with them
        self.suppliers = Numbering()
        self.factor_ids = Numbering()
        self.units = Entries()
        self.groups = Entries()
        self.uploads = Entries()
        self.gwp_sets = Entries()
        self._factors = Entries()
        self._keys = np.empty(0, np.uint32)

    @property
    def are_large(self) -> bool:
        """Tell whether they should begin anew."""
        ids = len(self.suppliers) + len(self.factor_ids)
        return ids + len(self.units) + len(self.groups) + len(self.uploads) > MOST_ENTRIES

    def keys_of_factors(self, new: Sequence[str]) -> Numbers:
        """Return the numbers of the keys of all factors by the factors' numbers, after adding those of new factors.

        Several factors may have one key.
        """
        keys = self._factors.number(new)
        self._keys = np.concatenate((self._keys, keys.numbers)) if new else self._keys
        return Numbers(self._keys, keys.new)
