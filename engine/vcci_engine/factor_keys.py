"""Keys of factors that a set does not have as they are written, or has too often: what may be meant."""

from collections.abc import Iterator, Sequence
from itertools import chain, islice

import numpy as np

from vcci_engine.activities import Activities
from vcci_engine.errors import MAX_VALUE_CHARACTERS
from vcci_engine.factors import FactorTable
from vcci_engine.findings import Finding
from vcci_engine.results import Reason

MOST_CANDIDATES = 1_000
MOST_LOOKED_FOR = 100  # distinct keys of a batch: looking for one costs 0.1 ms among 8,000
_ENDS = "\n._/-"  # what may follow a key or the beginning of one

_EXPECTED = "the key of a factor in the factor set, like naics:331110"


def check_keys(batch: Activities, table: FactorTable) -> Iterator[Finding]:
    """Find rows whose key is not in the set; one that is short of its source or its end may stand for several."""
    unknown = np.array([bool(text) and text not in table.index for text in batch.factors], np.bool_)
    if batch.factor is None or not unknown.any():
        return
    factor, texts, lines = batch.factor, batch.factors, "\n".join(("", *table.index, ""))
    looked_for = np.flatnonzero(unknown)[:MOST_LOOKED_FOR].tolist()
    meant = {number: candidates(lines, texts[number]) for number in looked_for}
    several = np.array([len(meant.get(number, ())) > 1 for number in range(len(unknown))], np.bool_)

    def key(row: int) -> str:
        return texts[int(factor[row])]

    def expected(row: int) -> str:
        found = meant.get(int(factor[row]), ())
        return listed("one of ", found) if found else _EXPECTED

    yield Finding(several[factor], Reason.AMBIGUOUS_FACTOR, "factor", key, expected)
    yield Finding(unknown[factor], Reason.UNKNOWN_FACTOR, "factor", key, expected)


def candidates(lines: str, text: str) -> list[str]:
    """Return the keys that a text may stand for: a code without its source, else the beginning of a key or code.

    `lines` are all keys, sorted, each between line ends.
    """
    places = () if "\n" in text else chain(_places(lines, f"\n{text}"), _places(lines, f":{text}"))
    found = islice(places, MOST_CANDIDATES)
    keys = {lines[lines.rindex("\n", 0, place + 1) + 1 : lines.index("\n", place + 1)] for place in found}
    exact = [key for key in keys if key.partition(":")[2] == text]
    return sorted(exact or keys)


def listed(begin: str, names: Sequence[str]) -> str:
    """Return a text with as many of the names as an error can show, and how many more there are."""
    for shown in range(len(names), 0, -1):
        more = f" and {len(names) - shown} more" if shown < len(names) else ""
        text = f"{begin}{', '.join(names[:shown])}{more}"
        if len(text) <= MAX_VALUE_CHARACTERS:
            return text
    return f"{begin}{len(names)} keys"


def _places(lines: str, text: str) -> Iterator[int]:
    place = lines.find(text)
    while place >= 0:
        if lines[place + len(text)] in _ENDS:
            yield place
        place = lines.find(text, place + 1)
