"""The checker itself: a right history passes, and each kind of wrong one is caught."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.chaos.history import Store, faults
from tests.emission_tables import COLUMNS, Error, Table, ug_co2e

ERRORS: list[Error] = [(2, 3, "quantity", "-1", "0 or more", ""), (7, 9, "factor", "no:such", "a factor", "")]


def table(*rows: int) -> Table:
    found: Table = {name: [row % 3 for row in rows] for name in COLUMNS}
    return {**found, "row": [*rows], "kg_co2e": [row / 7 for row in rows]}


WHOLE = table(0, 1, 3, 4, 5, 6, 8, 9)
TOLD = [0, 3, 3, 6]


def store() -> Store:
    """Rows up to 6 were acknowledged, and rows up to 8 are committed."""
    right = table(0, 1, 3, 4, 5, 6)
    sums = {who: (6, ug_co2e(right)) for who in ("ledger", "rollups")}
    return Store(8, 6, 2, right, ERRORS, sums)


def test_a_right_history_has_no_faults() -> None:
    assert faults(TOLD, store(), WHOLE, ERRORS) == []


def recounted(changed: Table) -> Store:
    """The store with other rows, and sums that agree with them."""
    sums = (len(changed["row"]), ug_co2e(changed))
    return replace(store(), table=changed, sums={"ledger": sums, "rollups": sums})


WRONG: dict[str, tuple[Callable[[], Store], list[int], str]] = {
    "a lost row": (lambda: recounted(table(0, 1, 3, 5, 6)), TOLD, "rows are lost: 1 of them, from 4 to 4"),
    "a row twice": (lambda: recounted(table(0, 1, 1, 3, 4, 5, 6)), TOLD, "rows are stored more than once"),
    "half a batch": (lambda: recounted(table(0, 1, 3, 4, 5, 6, 8)), TOLD, "rows are seen that are not committed"),
    "a rejected row": (lambda: recounted(table(0, 1, 2, 3, 4, 5, 6)), TOLD, "rows are seen that are not committed"),
    "another value": (
        lambda: replace(store(), table={**store().table, "quality": [0, 0, 0, 0, 0, 0]}),
        *(TOLD, "quality is not what was calculated"),
    ),
    "acknowledged and gone": (store, [*TOLD, 9], "row 8 was acknowledged, and rows up to 7 are committed"),
    "an offset that goes back": (store, [0, 6, 3], "the offset went back from 6 to 3"),
    "a lost row error": (lambda: replace(store(), errors=ERRORS[:1]), TOLD, "the row errors are not those"),
    "a row error twice": (lambda: replace(store(), errors=[*ERRORS, ERRORS[1]]), TOLD, "the row errors are not those"),
    "a ledger that miscounts": (lambda: replace(store(), rejected=1), TOLD, "6 accepted and 1 rejected rows"),
    "rollups that lag": (
        lambda: replace(store(), sums={**store().sums, "rollups": (5, 0)}),
        *(TOLD, "the rollups has (5, 0), and not (6,"),
    ),
}


@pytest.mark.parametrize(("store_", "told", "fault"), WRONG.values(), ids=WRONG)
def test_a_wrong_history_is_caught(store_: Callable[[], Store], told: list[int], fault: str) -> None:
    found = faults(told, store_(), WHOLE, ERRORS)
    assert any(text.startswith(fault) for text in found), found
