"""Search of names that forgives typing errors: an index of trigrams in the process.

The likeness of a name to a text is the share of the text's trigrams that the name has, whole words first: what pg_trgm
calls word_similarity, but for the order of the trigrams. The index is made when a tenant is searched first, and
anew when many names have changed since; a few changed ones are compared apart.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from unicodedata import normalize

import asyncpg
import numpy as np
import numpy.typing as npt
from vcci_engine.activities import Positions

from vcci_server.storage.pool import Connection, Pool, connection
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.summing import Run

LEAST_LIKENESS = 0.4  # a name of four letters with one wrong still has two trigrams of five
MOST_HITS = 2_000
MOST_CHANGED = 5_000  # names: above, the index is made anew, in 0.3 s for 100,000 names
MOST_KEPT = 2_000_000  # names of all tenants; some 150 bytes each

CODE_BITS = 21  # of a character
ACCENT = re.compile(r"[\u0300-\u036f]")
BARRED = str.maketrans("øłđħı", "oldhi")  # letters that do not come apart into one and an accent
SPACE, LINE = ord(" "), ord("\n")
Ids = npt.NDArray[np.int32]
Likeness = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TrigramIndex:
    """Which of N names has which trigram: the names of trigram t are `names[starts[t]:starts[t + 1]]`."""

    ids: Ids  # suppliers.supplier_id, by name
    trigrams: npt.NDArray[np.int64]  # ascending
    starts: Positions
    names: Positions

    def likeness(self, text: str) -> Likeness:
        """Return the share of a text's trigrams that each name has, [N]."""
        _, asked = _trigrams([text])
        asked = np.unique(asked)
        if not len(asked) or not len(self.trigrams):
            return np.zeros(len(self.ids))
        place = np.searchsorted(self.trigrams, asked).clip(max=len(self.trigrams) - 1)
        known = place[self.trigrams[place] == asked]
        found = [self.names[self.starts[t] : self.starts[t + 1]] for t in known.tolist()]
        counts = np.bincount(np.concatenate([np.empty(0, np.intp), *found]), minlength=len(self.ids))
        return counts / len(asked)


def index_names(ids: Sequence[int], names: Sequence[str]) -> TrigramIndex:
    """Return the index of names; 0.1 µs a character."""
    name, code = _trigrams(names)
    trigrams, trigram = np.unique(code, return_inverse=True)
    pairs = np.sort(trigram.astype(np.int64) * max(len(names), 1) + name)
    pairs = pairs[np.diff(pairs, prepend=-1) > 0]  # np.unique would hash them, ten times slower
    trigram, name = np.divmod(pairs, max(len(names), 1))
    starts = np.searchsorted(trigram, np.arange(len(trigrams) + 1))
    return TrigramIndex(np.array(ids, np.int32), trigrams, starts, name)


def _trigrams(names: Sequence[str]) -> tuple[Positions, npt.NDArray[np.int64]]:
    """Return the trigrams of names, each with the number of its name: of `  word `, letters and digits, as pg_trgm."""
    lines = "\n".join(" ".join(name.lower().split()) for name in names)
    if not lines.isascii():
        lines = ACCENT.sub("", normalize("NFKD", lines.translate(BARRED)))
    words = re.sub(r"[^\w\n]+|_+", "  ", lines)
    text = f"\n{words}\n".replace("\n", " \n  ")
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.int64)
    first, second, third = codes[:-2], codes[1:-1], codes[2:]
    name = np.cumsum(codes == LINE)[:-2] - 1
    whole = (first != LINE) & (second != LINE) & (third != LINE) & ~((second == SPACE) & (third == SPACE))
    return name[whole], (first << 2 * CODE_BITS | second << CODE_BITS | third)[whole]


@dataclass(frozen=True, slots=True)
class Hits:
    """Suppliers that a search has found, the most similar first."""

    ids: Ids  # [H]
    likeness: Likeness  # [H]

    def behind(self, likeness: float, supplier_id: int) -> "Hits":
        """Return those behind a place in their order."""
        later = (self.likeness < likeness) | ((self.likeness == likeness) & (self.ids > supplier_id))
        return Hits(self.ids[later], self.likeness[later])

    def part(self, start: int, stop: int) -> "Hits":
        """Return some of them."""
        return Hits(self.ids[start:stop], self.likeness[start:stop])


@dataclass(frozen=True, slots=True)
class _Indexed:
    index: TrigramIndex
    at: datetime


class LikenessIndex:
    """The indices of all tenants that were searched."""

    def __init__(self, pool: Pool, run: Run) -> None:
        self._pool = pool
        self._run = run
        self._tenants: dict[int, _Indexed] = {}

    def has(self, tenant_id: int) -> bool:
        """Tell whether the tenant's names are indexed."""
        return tenant_id in self._tenants

    async def search(self, tenant_id: int, text: str) -> Hits:
        """Return the suppliers with a name like the text, the most similar first; at most MOST_HITS."""
        async with connection(self._pool) as db:
            kept = self._tenants.get(tenant_id)
            changed = await self._changed(db, tenant_id, kept) if kept else None
            if kept is None or changed is None:
                kept, changed = await self._load(db, tenant_id), index_names([], [])
        return await self._run(_best, kept.index, changed, text)

    async def _changed(self, db: Connection, tenant_id: int, kept: _Indexed) -> TrigramIndex | None:
        """Return the index of the names changed since; None: too many."""
        rows = await db.fetch(QUERIES["changed_names"], tenant_id, kept.at, MOST_CHANGED + 1)
        if len(rows) > MOST_CHANGED:
            return None
        return await self._run(index_names, *_columns(rows))

    async def _load(self, db: Connection, tenant_id: int) -> _Indexed:
        at = await db.fetchval(QUERIES["moment"])  # before the names are read, not in their snapshot
        ids, names = _columns(await db.fetch(QUERIES["names"], tenant_id))
        indexed = _Indexed(await self._run(index_names, ids, names), at)
        if sum(len(other.index.ids) for other in self._tenants.values()) + len(ids) > MOST_KEPT:
            self._tenants.clear()
        self._tenants[tenant_id] = indexed
        return indexed


def _columns(rows: Sequence[asyncpg.Record]) -> tuple[list[int], list[str]]:
    return [row["supplier_id"] for row in rows], [row["display_name"] for row in rows]


def _best(index: TrigramIndex, changed: TrigramIndex, text: str) -> Hits:
    likeness = index.likeness(text)
    likeness[np.isin(index.ids, changed.ids)] = 0
    ids = np.concatenate((index.ids, changed.ids))
    likeness = np.concatenate((likeness, changed.likeness(text)))
    hits = np.flatnonzero(likeness >= LEAST_LIKENESS)
    order = hits[np.lexsort((ids[hits], -likeness[hits]))][:MOST_HITS]
    return Hits(ids[order], likeness[order])
