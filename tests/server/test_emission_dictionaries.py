"""Dictionaries of a stream number what they are given, each entry once, and tell what is new."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from vcci_server.emission_dictionaries import Dictionaries, Entries, Numbering

IDS = st.integers(0, 400) | st.integers(0, 1 << 24)
LISTS = st.lists(st.lists(IDS, max_size=40), max_size=6)


@settings(deadline=None)
@given(lists=LISTS, kind=st.sampled_from(["<i4", "<u4"]))
def test_ids_are_numbered_as_they_are_met(lists: list[list[int]], kind: str) -> None:
    numbering = Numbering()
    entries: list[int] = []
    for ids in lists:
        found = numbering.number(np.array(ids, kind))
        assert {*found.new} == {*ids} - {*entries}
        entries += found.new
        assert [entries[number] for number in found.numbers] == ids
        assert len(numbering) == len(entries) == len({*entries})


@settings(deadline=None)
@given(lists=st.lists(st.lists(st.text(max_size=2), max_size=20), max_size=6))
def test_texts_are_numbered_as_they_are_met(lists: list[list[str]]) -> None:
    numbering = Entries()
    entries: list[str] = []
    for texts in lists:
        found = numbering.number(texts)
        entries += found.new
        assert [entries[number] for number in found.numbers] == texts
        assert len(numbering) == len(entries) == len({*entries})


def test_factors_with_one_key_are_one_entry() -> None:
    dictionaries = Dictionaries()
    first = dictionaries.keys_of_factors(["epa:1", "epa:2", "epa:1"])
    assert (first.numbers.tolist(), first.new) == ([0, 1, 0], ["epa:1", "epa:2"])
    more = dictionaries.keys_of_factors(["epa:2", "epa:3"])
    assert (more.numbers.tolist(), more.new) == ([0, 1, 0, 1, 2], ["epa:3"])
    assert dictionaries.keys_of_factors([]).numbers.tolist() == [0, 1, 0, 1, 2]
