"""Responses with emissions, written through the twin, are the public messages that a client reads."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vcci.v1 import emission_service_pb2 as pb
from vcci_client.emission_arrays import DICTIONARIES
from vcci_engine.dates import EPOCH
from vcci_engine.segments import COLUMNS, Segment, cut
from vcci_server.emission_dictionaries import Dictionaries
from vcci_server.emission_gases import stored_parts
from vcci_server.emission_messages import Labels, Numbered, numbered, write_response
from vcci_server.storage.labels import OWN_GASES, FactorGases
from vcci_server.storage.reading import Filter, Position, StoredSegment

from tests.server.emission_reader import as_sent, by_key, rows_of
from tests.server.stored_emissions import CODES, UNITS, random_emissions, row_of

FACTORS = {0: ("", 0.0), 5: ("naics:331110", 0.1), 6: ("naics:331110", 0.2), 7: ("fuel:diesel", 0.0)}
GASES = stored_parts(
    {0: OWN_GASES, **dict.fromkeys((5, 6, 7), FactorGases(2.0, {"CO2": 2.0}, "AR5", "kg", "made:steel"))}, ""
)
ALL = frozenset(pb.EmissionColumn.values()[1:])
UPLOAD_ID = 42


def _stored(segments: Sequence[Segment]) -> list[StoredSegment]:
    return [
        StoredSegment(
            Position(UPLOAD_ID, 0, 0, number, EPOCH + timedelta(days=segment.quarter)),
            segment.n,
            segment.units,
            {
                **{name: bytes(segment.columns[name]) for name, _ in COLUMNS},
                "group": segment.group,
                "reference": segment.reference,
                "inputs": segment.inputs,
            },
        )
        for number, segment in enumerate(segments)
    ]


def _labels(part: Numbered) -> Labels:
    suppliers = part.supplier.new if part.supplier else ()
    factors = part.factor.new if part.factor else ()
    return Labels([CODES[number] for number in suppliers], [FACTORS[number][0] for number in factors], GASES)


def _responses(segments: Sequence[Segment], wanted: frozenset[int], parts: int = 1) -> list[pb.StreamEmissionsResponse]:
    """Return the responses of a stream that sends segments in so many parts."""
    dictionaries = Dictionaries()
    stored = _stored(segments)
    bounds = [len(stored) * part // parts for part in range(parts + 1)]
    some = [stored[start:stop] for start, stop in pairwise(bounds) if stop > start]
    found = [part for segments in some for part in numbered(segments, Filter(), wanted, dictionaries)]
    written = [write_response(part, wanted, dictionaries, _labels(part), "token") for part in found]
    return [pb.StreamEmissionsResponse.FromString(data) for data in written]


@settings(deadline=None, max_examples=40)
@given(
    n=st.integers(1, 60),
    seed=st.integers(0, 2**32 - 1),
    rows_per_segment=st.integers(1, 20),
    parts=st.integers(1, 5),
)
def test_responses_have_the_rows_of_their_segments(n: int, seed: int, rows_per_segment: int, parts: int) -> None:
    emissions = random_emissions(n, seed, FACTORS)
    segments = cut(emissions, np.arange(len(CODES), dtype=np.int32), UNITS, 0, rows_per_segment)
    rows = [row_of(emissions, place, UPLOAD_ID, 0, FACTORS) for place in range(n)]
    responses = _responses(segments, ALL, parts)
    assert [found.new_dictionaries for found in responses] == [True, *[False] * (len(responses) - 1)]
    assert by_key(rows_of(responses)) == as_sent(rows)


@pytest.mark.parametrize("name", DICTIONARIES)
def test_an_entry_of_a_dictionary_is_sent_once(name: str) -> None:
    segments = cut(random_emissions(200, 3, FACTORS), np.arange(len(CODES), dtype=np.int32), UNITS, 0, 5)
    responses = _responses(segments, ALL, 8)
    entries = [entry for found in responses for entry in getattr(found.emissions, name)]
    assert len(responses) == 8
    assert entries
    assert len(entries) == len({*entries})


@settings(deadline=None, max_examples=40)
@given(wanted=st.sets(st.sampled_from(sorted(ALL))).map(frozenset))
def test_columns_are_the_same_alone_and_together(wanted: frozenset[int]) -> None:
    emissions = random_emissions(30, 1, FACTORS)
    segments = cut(emissions, np.arange(len(CODES), dtype=np.int32), UNITS, 0)
    (some,), (everything,) = _responses(segments, wanted), _responses(segments, ALL)
    for field, value in some.emissions.ListFields():
        assert value == getattr(everything.emissions, field.name)
    written = [_responses(segments, frozenset({column}))[0].emissions for column in wanted]
    assert {field.name for field, _ in some.emissions.ListFields()} == {"rows"}.union(
        *({field.name for field, _ in message.ListFields()} for message in written)
    )


def test_columns_that_no_row_has_are_left_out() -> None:
    emissions = random_emissions(30, 1, FACTORS)
    segment = replace(
        cut(emissions, np.arange(len(CODES), dtype=np.int32), UNITS, 0)[0], group=None, reference=None, inputs=None
    )
    (found,) = _responses([segment], ALL)
    columns = found.emissions
    assert ([*columns.group], [*columns.groups], [*columns.references], [*columns.inputs]) == ([], [], [], [])
