"""The suppliers that a stream has on the server: each is sent once, and batches count them.

Of an upload in no order every batch names thousands of suppliers, the same ones again and again; sent anew each time,
their texts would cost client and server as much as all the numbers.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise, starmap

import numpy as np
import numpy.typing as npt
from vcci import columns as twins

from vcci_client.activities import Activities, IndexArray

PAGE_CHARACTERS = 1 << 20  # of one message, which the server reads before the batches behind it
SLOTS = 1 << 20
NONE = -1

Hashes = npt.NDArray[np.int64]
Texts = tuple[Sequence[str], Sequence[str], Sequence[str]]  # codes, names and countries of a dictionary


class SupplierBook:
    """Suppliers by index, and the requests that add them to a stream.

    Of each code the last name and country count; an entry that says something else is added again, so that the server
    learns of it. Texts are compared by their hashes: of two that differ, one pair in 2**64 is taken for the same.
    Batches that share a dictionary of tuples, which cannot change, have each of its entries looked up once.
    """

    def __init__(self) -> None:
        self.pages: list[bytes] = []
        self._places: dict[str, int] = {}
        self._slots = np.full(SLOTS, NONE, np.int32)  # the last place of each slot, by the hash's lowest bits
        self._said = np.empty((3, 0), np.int64)  # hashes of code, name and country, by place
        self._texts: Texts = ((), (), ())  # of the last batch, and the places of those that were used
        self._index = np.empty(0, np.int32)

    def __len__(self) -> int:
        return self._said.shape[1]

    def rows(self, activities: Activities) -> IndexArray:
        """Return [N]: the index of each row's supplier, adding those that are not in the book."""
        if not self.has_all(activities):
            self._texts = _texts(activities)
            self._index = np.full(len(activities.supplier.entries), NONE, np.int32)
        entries = activities.supplier.index
        unknown = entries[self._index.take(entries) == NONE]
        if len(unknown):
            wanted = np.zeros(len(self._index), np.bool_)
            wanted[unknown] = True  # a tenth of the time of np.unique
            at = np.flatnonzero(wanted)
            self._index[at] = self._look_up(at.tolist())
        return self._index.take(entries).view(np.uint32)

    def has_all(self, activities: Activities) -> bool:
        """Tell whether the batch has the dictionary of the batch before."""
        return all(
            isinstance(text, tuple) and text is last for text, last in zip(_texts(activities), self._texts, strict=True)
        )

    def _look_up(self, entries: Sequence[int]) -> npt.NDArray[np.int32]:
        codes, names, countries = ([texts[entry] for entry in entries] if texts else () for texts in self._texts)
        said = np.stack([_hashes(texts, len(entries)) for texts in (codes, names, countries)])
        places = self._find(codes, said[0])
        new = places == NONE
        if len(self):
            new |= (said[1:] != self._said[1:].take(places, axis=1, mode="clip")).any(axis=0)
        if new.any():
            added = np.flatnonzero(new)
            places[added] = np.arange(len(self), len(self) + len(added), dtype=np.int32)
            self._add(*([texts[at] for at in added.tolist()] if texts else [] for texts in (codes, names, countries)))
            self._slots[said[0, added] & SLOTS - 1] = places[added]
            self._said = np.append(self._said, said[:, added], axis=1)
        return places

    def _find(self, codes: Sequence[str], hashes: Hashes) -> npt.NDArray[np.int32]:
        """Return the last place of each code: from its slot, and where another code has that, from the dictionary.

        A look into the dictionary waits for memory several times, one code after the other; the slots are looked up
        side by side.
        """
        places = self._slots.take(hashes & SLOTS - 1)
        if len(self):
            other = np.flatnonzero((places != NONE) & (self._said[0].take(places, mode="clip") != hashes))
            places[other] = [self._places.get(codes[entry], NONE) for entry in other.tolist()]
        return places

    def _add(self, codes: Sequence[str], names: Sequence[str], countries: Sequence[str]) -> None:
        first = len(self)
        self._places.update(zip(codes, range(first, first + len(codes)), strict=True))
        for page in _pages(codes, names):
            message = twins.AddSuppliers(first=first + page.start, codes=codes[page], names=names[page])
            if countries:
                index: dict[str, int] = {}
                country = [index.setdefault(country, len(index)) for country in countries[page]]
                message.country = twins.pack(country, "<u4")
                message.countries.extend(index)
            message.crc32c = twins.checksum(message)
            self.pages.append(twins.AppendActivitiesRequest(suppliers=message).SerializeToString())


class Bookkeeper:
    """The books of one upload: a new one is begun when one has as many suppliers as a stream may have."""

    def __init__(self, most_suppliers: int) -> None:
        self._most = most_suppliers
        self._book = SupplierBook()

    def book_for(self, activities: Activities) -> SupplierBook | None:
        """Return a book with room for the batch's suppliers; None when a stream cannot have so many."""
        entries = len(activities.supplier.entries)
        if entries > self._most:
            return None
        if not self._book.has_all(activities) and len(self._book) + entries > self._most:  # all may be new
            self._book = SupplierBook()
        return self._book


def _pages(codes: Sequence[str], names: Sequence[str]) -> Iterator[slice]:
    """Yield the entries of each message."""
    length = np.fromiter(map(len, codes), np.int64, len(codes))
    if names:
        length += np.fromiter(map(len, names), np.int64, len(names))
    page = np.cumsum(length) // PAGE_CHARACTERS
    bounds = [0, *(np.flatnonzero(np.diff(page)) + 1).tolist(), len(codes)]
    return starmap(slice, pairwise(bounds))


def _texts(activities: Activities) -> Texts:
    return activities.supplier.entries, activities.names, activities.countries


def _hashes(texts: Sequence[str], count: int) -> Hashes:
    if not texts:
        return np.full(count, hash(""), np.int64)
    return np.fromiter(map(hash, texts), np.int64, count)
