"""What a client was told of an upload against what the store has of it: the promises of the protocol, checked."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.emission_tables import Error, Table, ug_co2e


@dataclass(frozen=True, slots=True)
class Store:
    """All that the store says of one upload, each in its own way."""

    committed_through: int
    accepted: int
    rejected: int
    table: Table  # the emissions as they are streamed
    errors: Sequence[Error]
    sums: Mapping[str, tuple[int, int]]  # rows and micrograms CO2e by who counts them: ledger, segments, rollups …


def faults(told: Sequence[int], store: Store, table: Table, errors: Sequence[Error]) -> list[str]:
    """Return every broken promise; none is right.

    `told` is the durable rows that the client was told of, at each opening and acknowledgement in order; `table` and
    `errors` are what all of the upload's rows come to. What is committed must be there whole, once, and nothing else.
    """
    through = store.committed_through
    right = _rows_before(table, through)
    found = [f"the offset went back from {old} to {new}" for old, new in pairwise(told) if new < old]
    if told and max(told) > through:
        found.append(f"row {max(told) - 1} was acknowledged, and rows up to {through - 1} are committed")
    if store.accepted + store.rejected != through:
        found.append(f"{store.accepted} accepted and {store.rejected} rejected rows are not {through}")
    found += _wrong_rows(store.table, right)
    if list(store.errors) != [error for error in errors if error[0] < through]:
        found.append("the row errors are not those of the committed rows")
    expected = (len(right["row"]), ug_co2e(right))
    found += [f"the {who} has {sums}, and not {expected}" for who, sums in store.sums.items() if sums != expected]
    return found


def _rows_before(table: Table, row: int) -> Table:
    count = sum(number < row for number in table["row"])
    return {name: values[:count] for name, values in table.items()}


def _wrong_rows(stored: Table, right: Table) -> list[str]:
    rows, expected = Counter(stored["row"]), Counter(right["row"])
    found = []
    if lost := expected - rows:
        found.append(f"rows are lost: {_some(lost)}")
    if twice := Counter({row: times for row, times in rows.items() if times > 1}):
        found.append(f"rows are stored more than once: {_some(twice)}")
    if foreign := rows.keys() - expected.keys():
        found.append(f"rows are seen that are not committed, or were rejected: {_some(foreign)}")
    if not found:
        found = [f"{name} is not what was calculated" for name, values in right.items() if stored[name] != values]
    return found


def _some(rows: "Counter[int] | set[int]") -> str:
    ordered = sorted(rows)
    return f"{len(ordered)} of them, from {ordered[0]} to {ordered[-1]}"
