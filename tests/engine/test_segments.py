"""Segments: cut, read back, merged; every emission once, every total exact."""

import pickle
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vcci_engine.activities import Activities
from vcci_engine.calculate import calculate
from vcci_engine.dates import EPOCH
from vcci_engine.results import Emissions
from vcci_engine.segment_codec import encode_strings, hash_strings
from vcci_engine.segments import (
    COLUMNS,
    ROWS_PER_SEGMENT,
    Segment,
    cut,
    decode,
    decode_inputs,
    decode_strings,
    decode_totals,
    merge,
)

from tests.engine.samples import GOOD_BATCHES, TABLE, Row, batch, part

IDS = {"S1": 70_001, "S2": 12, "S3": 2**31 - 1, "ÄÖ": 5}
Line = tuple[object, ...]


def ids_of(activities: Activities) -> npt.NDArray[np.int32]:
    return np.array([IDS[code] for code in activities.suppliers.codes], np.int32)


def cut_batch(activities: Activities, first_row: int, rows_per_segment: int) -> list[Segment]:
    emissions = calculate(activities, TABLE).emissions
    return cut(emissions, ids_of(activities), activities.units, first_row, rows_per_segment)


def lines_of(segment: Segment) -> list[Line]:
    """Return a segment's rows with everything that it says of them."""
    columns = {name: decode(name, segment.columns[name]) for name, _ in COLUMNS}
    columns["period"] = columns["period"].astype(np.int32) + segment.quarter
    values = {name: column.tolist() for name, column in columns.items()}
    values["unit"] = [segment.units[unit] for unit in values["unit"]]
    inputs: list[list[tuple[str, float]]] = [[] for _ in range(segment.n)]
    for name, given_input in sorted(decode_inputs(segment.inputs, segment.n).items()):
        rows = range(segment.n) if given_input.rows is None else given_input.rows.tolist()
        for row, value in zip(rows, given_input.values.tolist(), strict=True):
            inputs[row].append((name, value))
    strings = (decode_strings(segment.group, segment.n), decode_strings(segment.reference, segment.n))
    return list(zip(*(values[name] for name, _ in COLUMNS), *strings, map(tuple, inputs), strict=True))


def lines_of_emissions(emissions: Emissions, activities: Activities) -> list[Line]:
    """Return the same of emissions that were not cut."""
    ids = ids_of(activities)
    assert emissions.group is not None
    lines = []
    for k in range(len(emissions)):
        inputs: list[tuple[str, float]] = []
        for name, column in sorted(emissions.inputs.items()):
            at = k if column.rows is None else int(np.searchsorted(column.rows, k))
            if column.rows is None or (at < len(column.rows) and column.rows[at] == k):
                inputs.append((name, float(column.values[at])))
        columns = [getattr(emissions, name)[k].item() for name, _ in COLUMNS]
        columns[1], columns[6] = int(ids[columns[1]]), activities.units[columns[6]]
        lines.append((*columns, emissions.groups[emissions.group[k]], emissions.references[k], tuple(inputs)))
    return lines


def plain(segments: Sequence[Segment]) -> list[Segment]:
    """Return segments that can be compared: with bytes for memoryviews."""
    return [pickle.loads(pickle.dumps(segment)) for segment in segments]


@given(GOOD_BATCHES, st.integers(1, 10))
def test_every_emission_is_in_one_segment_as_it_was(activities: Activities, rows_per_segment: int) -> None:
    emissions = calculate(activities, TABLE).emissions
    segments = cut_batch(activities, 0, rows_per_segment)
    lines = [line for segment in segments for line in lines_of(segment)]
    assert sorted(lines, key=str) == sorted(lines_of_emissions(emissions, activities), key=str)


@given(GOOD_BATCHES, st.integers(1, 10))
def test_segments_are_small_of_one_quarter_and_sorted(activities: Activities, rows_per_segment: int) -> None:
    order = []
    for segment in cut_batch(activities, 1000, rows_per_segment):
        first = EPOCH + timedelta(segment.quarter)
        assert (first.day, first.month % 3) == (1, 1)
        periods = [EPOCH + timedelta(segment.quarter + int(day)) for day in decode("period", segment.columns["period"])]
        assert {(period.year, (period.month - 1) // 3) for period in periods} == {(first.year, first.month // 3)}
        assert 0 < segment.n <= rows_per_segment
        supplier, row = (decode(name, segment.columns[name]).tolist() for name in ("supplier", "row"))
        assert (segment.supplier_min, segment.supplier_max) == (supplier[0], supplier[-1])
        assert min(row) >= 1000
        order += [(segment.quarter, *pair) for pair in zip(supplier, row, strict=True)]
    assert order == sorted(order)


@given(GOOD_BATCHES, st.integers(1, 10))
def test_totals_of_segments_are_exact_and_add_up(activities: Activities, rows_per_segment: int) -> None:
    emissions = calculate(activities, TABLE).emissions
    segments = cut_batch(activities, 0, rows_per_segment)
    expected: dict[tuple[int, int], tuple[int, int]] = {}
    for category, method, kg in zip(emissions.category, emissions.method, emissions.kg_co2e, strict=True):
        rows, ug = expected.get((int(category), int(method)), (0, 0))
        expected[int(category), int(method)] = rows + 1, ug + int(np.rint(kg * 1e9))
    found: dict[tuple[int, int], tuple[int, int]] = {}
    for segment in segments:
        totals = decode_totals(segment.totals)
        assert (sum(totals.ug), totals.rows.sum()) == (segment.ug_co2e, segment.n)
        parts = zip(totals.category.tolist(), totals.method.tolist(), totals.rows.tolist(), totals.ug, strict=True)
        for category, method, n, micrograms in parts:
            rows, ug = found.get((category, method), (0, 0))
            found[category, method] = rows + n, ug + micrograms
    assert found == expected


@given(GOOD_BATCHES, st.lists(st.integers(0, 30), max_size=4), st.integers(1, 10), st.integers(1, 40))
def test_merging_any_split_gives_the_same_bytes(
    activities: Activities, cuts: list[int], rows_per_segment: int, merged_rows: int
) -> None:
    bounds = sorted({0, len(activities), *(min(cut, len(activities)) for cut in cuts)})
    parts = [part for a, b in pairwise(bounds) for part in cut_batch(part_of(activities, a, b), a, rows_per_segment)]
    whole = plain(merge(cut_batch(activities, 0, ROWS_PER_SEGMENT), merged_rows))
    assert plain(merge(parts, merged_rows)) == whole
    assert plain(merge(list(reversed(parts)), merged_rows)) == whole
    assert plain(merge(merge(parts, rows_per_segment), merged_rows)) == whole


def part_of(activities: Activities, start: int, stop: int) -> Activities:
    return part(activities, start, stop)


@given(GOOD_BATCHES, st.integers(1, 10))
def test_merged_segments_have_the_same_rows_in_order(activities: Activities, rows_per_segment: int) -> None:
    segments = cut_batch(activities, 0, rows_per_segment)
    merged = merge(segments, rows_per_segment)
    assert [line for segment in merged for line in lines_of(segment)] == [
        line for segment in segments for line in lines_of(segment)
    ]
    assert sum(segment.ug_co2e for segment in merged) == sum(segment.ug_co2e for segment in segments)


def test_no_emissions_give_no_segments() -> None:
    assert cut_batch(batch(), 0, ROWS_PER_SEGMENT) == []
    assert merge([]) == []


def test_columns_are_the_tables_columns_in_its_form() -> None:
    [segment] = cut_batch(batch(Row(), Row()), 0, ROWS_PER_SEGMENT)
    assert list(segment.columns) == [name for name, _ in COLUMNS]
    for name, dtype in COLUMNS:
        assert len(segment.columns[name]) == 2 * dtype.itemsize
        assert dtype.byteorder in "<|="
        assert not decode(name, bytes(segment.columns[name])).flags.writeable


def test_what_no_row_has_is_not_stored() -> None:
    [segment] = cut_batch(batch(Row(), Row()), 0, ROWS_PER_SEGMENT)
    assert (segment.group, segment.reference, segment.inputs) == (None, None, None)
    assert decode_strings(None, 2) == ["", ""]
    assert decode_inputs(None, 2) == {}


def test_only_used_units_are_in_the_dictionary() -> None:
    rows = batch(Row(unit="t"), Row(unit="kg"), Row(unit="nonsense"), Row(unit="lb", quantity=-1.0))
    [segment] = cut_batch(rows, 0, ROWS_PER_SEGMENT)
    assert segment.units == ("kg", "t")


def test_segments_may_have_more_units_in_all_than_one_can_have() -> None:
    n = 40_000
    emissions = calculate(batch(*[Row()] * 4), TABLE).emissions
    many: dict[str, Any] = {name: np.resize(getattr(emissions, name), n) for name, _ in COLUMNS}
    many |= {"row": np.arange(n, dtype=np.uint32), "unit": np.arange(n, dtype=np.uint32)}
    units = [tuple(f"unit {first + number}" for number in range(n)) for first in (0, n)]
    ids = np.zeros(1, np.int32)
    parts = [segment for k in (0, 1) for segment in cut(Emissions(**many), ids, units[k], k * n)]
    merged = [line for segment in merge(parts) for line in lines_of(segment)]
    place = [name for name, _ in COLUMNS].index("unit")
    assert [line[place] for line in merged] == [*units[0], *units[1]]


def test_rows_are_split_evenly() -> None:
    segments = cut_batch(batch(*[Row()] * 5001), 0, ROWS_PER_SEGMENT)
    assert [segment.n for segment in segments] == [2500, 2501]


@settings(max_examples=10)
@given(st.integers(1, 3))
def test_more_suppliers_than_sixteen_bits_are_sorted(seed: int) -> None:
    n = 70_000
    random = np.random.default_rng(seed)
    emissions = calculate(batch(*[Row()] * 4), TABLE).emissions
    many: dict[str, Any] = {name: np.resize(getattr(emissions, name), n) for name, _ in COLUMNS}
    many["supplier"] = random.permutation(n).astype(np.uint32)
    segments = cut(Emissions(**many), random.permutation(n).astype(np.int32), ("kg",), 0, n)
    assert decode("supplier", segments[0].columns["supplier"]).tolist() == list(range(n))


@pytest.mark.parametrize("period", ["1990-01-01", "2024-02-29", "2024-03-31", "2024-04-01", "2100-12-31"])
def test_every_day_is_in_its_quarter(period: str) -> None:
    [segment] = cut_batch(batch(Row(period=period)), 0, ROWS_PER_SEGMENT)
    offset = int(decode("period", segment.columns["period"])[0])
    assert EPOCH + timedelta(segment.quarter + offset) == date.fromisoformat(period)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), min_size=1, max_size=30))
def test_a_text_has_the_same_hash_wherever_it_stands(texts: list[str]) -> None:
    hashes = hash_strings(encode_strings(texts), len(texts)).tolist()
    again = hash_strings(encode_strings(["more", *reversed(texts)]), len(texts) + 1).tolist()
    assert hashes == again[:0:-1]
    of = dict(zip(texts, hashes, strict=True))
    assert len(set(of.values())) == len(of)
    assert of.get("", 0) == 0
