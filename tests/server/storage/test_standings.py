"""Which rows a kept standing lacks, against sets of rows."""

from hypothesis import given
from hypothesis import strategies as st
from vcci_server.storage.standings import Rows, lacking_rows

# Of each upload: how far it was folded and counted when the standing was kept, and is folded and committed now.
uploads = st.dictionaries(st.integers(1, 4), st.lists(st.integers(0, 9), min_size=4, max_size=4).map(sorted))


@given(uploads)
def test_what_is_lacking_is_all_that_is_there_and_not_counted(rows: dict[int, list[int]]) -> None:
    counted = {id: counted for id, (before, counted, _, _) in rows.items() if counted > before}
    folded = [
        Rows(id, before + row, before + row + 1)
        for id, (before, _, now, _) in rows.items()
        for row in range(now - before)
    ]
    not_folded = {id: Rows(id, now, committed) for id, (_, _, now, committed) in rows.items() if committed > now}
    lacking = lacking_rows(counted, folded, not_folded)
    assert lacking is not None
    found = [(of.upload_id, row) for of in lacking for row in range(of.start, of.stop)]
    assert found == [(id, row) for id in sorted(rows) for row in range(rows[id][1], rows[id][3])]


def test_what_is_counted_and_not_there_any_more_is_noticed() -> None:
    assert lacking_rows({1: 5}, [], {}) is None
    assert lacking_rows({1: 5}, [Rows(1, 0, 4)], {}) is None
    assert lacking_rows({1: 5}, [], {1: Rows(1, 0, 4)}) is None
    assert lacking_rows({1: 5}, [Rows(1, 0, 5)], {}) == []
