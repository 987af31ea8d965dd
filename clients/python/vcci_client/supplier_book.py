"""The suppliers that a stream has on the server: each is sent once, and batches count them.

Of an upload in no order every batch names thousands of suppliers, the same ones again and again; sent anew each time,
their texts would cost client and server as much as all the numbers.
"""

from collections.abc import Sequence
from itertools import repeat

import numpy as np
import numpy.typing as npt
from vcci import columns as twins
from vcci.v1.upload_service_pb2 import AddSuppliers, AppendActivitiesRequest

from vcci_client.activities import Activities, IndexArray

PAGE_SUPPLIERS = 4_096  # of one message: 2 MiB when all texts are as long as they may be

Hashes = npt.NDArray[np.int64]


class SupplierBook:
    """Suppliers by index, and the requests that add them to a stream.

    Of each code the last name and country count, compared by their hashes; an entry that says something else is added
    again, so that the server learns of it.
    """

    def __init__(self) -> None:
        self.pages: list[bytes] = []
        self._count = 0
        self._places: dict[str, int] = {}
        self._said: tuple[Hashes, Hashes] = (np.empty(0, np.int64), np.empty(0, np.int64))

    def __len__(self) -> int:
        return self._count

    def index(self, activities: Activities) -> IndexArray:
        """Return the index of each entry of the batch's suppliers, adding those that are not in the book."""
        codes = activities.supplier.entries
        places = np.fromiter(map(self._places.get, codes, repeat(-1)), np.int64, len(codes))
        said = _hashes(activities.names, len(codes)), _hashes(activities.countries, len(codes))
        new = places < 0
        if self._count:
            for told, known in zip(said, self._said, strict=True):
                new |= told != known.take(places, mode="clip")
        if new.any():
            added = np.flatnonzero(new)
            places[added] = np.arange(self._count, self._count + len(added))
            self._add(activities, added.tolist())
            self._said = tuple(np.append(known, told[added]) for known, told in zip(self._said, said, strict=True))  # type: ignore[assignment]  # two, as before
        return places.astype(np.uint32)

    def _add(self, activities: Activities, entries: Sequence[int]) -> None:
        for start in range(0, len(entries), PAGE_SUPPLIERS):
            page = entries[start : start + PAGE_SUPPLIERS]
            codes = [activities.supplier.entries[entry] for entry in page]
            message = AddSuppliers(
                first=self._count,
                codes=codes,
                names=[activities.names[entry] for entry in page] if activities.names else (),
                countries=[activities.countries[entry] for entry in page] if activities.countries else (),
            )
            message.crc32c = twins.checksum(message)
            self.pages.append(AppendActivitiesRequest(suppliers=message).SerializeToString())
            self._places.update(zip(codes, range(self._count, self._count + len(page)), strict=True))
            self._count += len(page)


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
        if len(self._book) + entries > self._most:  # at the worst all of them are new
            self._book = SupplierBook()
        return self._book


def _hashes(texts: Sequence[str], count: int) -> Hashes:
    if not texts:
        return np.full(count, hash(""), np.int64)
    return np.fromiter(map(hash, texts), np.int64, count)
