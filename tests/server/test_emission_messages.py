"""Messages of emissions, written through the twin, are the public messages that a client reads."""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from vcci.v1 import emission_pb2
from vcci.v1 import emission_service_pb2 as pb
from vcci_engine.dates import EPOCH
from vcci_engine.segments import COLUMNS, Segment, cut
from vcci_server.emission_gases import stored_parts
from vcci_server.emission_messages import Dictionaries, emission_columns, parts
from vcci_server.storage.labels import OWN_GASES, FactorGases
from vcci_server.storage.reading import Filter, Position, StoredSegment

from tests.server.emission_reader import as_sent, by_key, rows_of
from tests.server.stored_emissions import CODES, UNITS, random_emissions, row_of

FACTORS = {0: ("", 0.0), 5: ("naics:331110", 0.1), 6: ("naics:331110", 0.2), 7: ("fuel:diesel", 0.0)}
DICTIONARIES = Dictionaries(
    dict(enumerate(CODES)),
    {number: key for number, (key, _) in FACTORS.items()},
    stored_parts(
        {0: OWN_GASES, **dict.fromkeys((5, 6, 7), FactorGases(2.0, {"CO2": 2.0}, "AR5", "kg", "made:steel"))}, ""
    ),
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


def _message(segments: Sequence[Segment], wanted: frozenset[int]) -> emission_pb2.EmissionColumns:
    (part,) = parts(_stored(segments), Filter())
    return emission_pb2.EmissionColumns.FromString(emission_columns(part, wanted, DICTIONARIES).SerializeToString())


@settings(deadline=None, max_examples=40)
@given(n=st.integers(1, 60), seed=st.integers(0, 2**32 - 1), rows_per_segment=st.integers(1, 20))
def test_a_message_has_the_rows_of_its_segments(n: int, seed: int, rows_per_segment: int) -> None:
    emissions = random_emissions(n, seed, FACTORS)
    segments = cut(emissions, np.arange(len(CODES), dtype=np.int32), UNITS, 0, rows_per_segment)
    rows = [row_of(emissions, place, UPLOAD_ID, 0, FACTORS) for place in range(n)]
    assert by_key(rows_of(_message(segments, ALL))) == as_sent(rows)


@settings(deadline=None, max_examples=40)
@given(wanted=st.sets(st.sampled_from(sorted(ALL))).map(frozenset))
def test_columns_are_the_same_alone_and_together(wanted: frozenset[int]) -> None:
    emissions = random_emissions(30, 1, FACTORS)
    segments = cut(emissions, np.arange(len(CODES), dtype=np.int32), UNITS, 0)
    some, everything = _message(segments, wanted), _message(segments, ALL)
    for field, value in some.ListFields():
        assert value == getattr(everything, field.name)
    written = [_message(segments, frozenset({column})) for column in wanted]
    assert {field.name for field, _ in some.ListFields()} == {"rows"}.union(
        *({field.name for field, _ in message.ListFields()} for message in written)
    )


def test_columns_that_no_row_has_are_left_out() -> None:
    emissions = random_emissions(30, 1, FACTORS)
    segment = _stored(cut(emissions, np.arange(len(CODES), dtype=np.int32), UNITS, 0))[0]
    bare = {name: None if name in ("group", "reference", "inputs") else data for name, data in segment.columns.items()}
    (part,) = parts([StoredSegment(segment.position, segment.n, segment.units, bare)], Filter())
    message = emission_columns(part, ALL, DICTIONARIES)
    assert (message.group, [*message.groups], [*message.references], [*message.inputs]) == (b"", [], [], [])
