"""Activities on the wire, and in parts."""

from operator import attrgetter
from typing import Any

import numpy as np
import pytest
from google.type.date_pb2 import Date
from hypothesis import given, settings
from hypothesis import strategies as st
from vcci import columns as twins
from vcci.v1 import activity_pb2
from vcci.v1.calculation_service_pb2 import CalculateStreamRequest
from vcci.v1.upload_service_pb2 import AppendActivitiesRequest
from vcci_client.activities import Activities
from vcci_client.encode import EncodedBatch, Form, calculate_request, encode
from vcci_client.files.rows import activities_of
from vcci_server.messages import activities_from_columns
from vcci_server.row_messages import activities_from_rows
from vcci_server.validation import BatchLimits

from tests.clients.samples import plain

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "supplier_code": st.sampled_from(["S-1", "S-2", "S-3", "ß", ""]),
            "category": st.integers(1, 15),
            "reporting_period": st.sampled_from(["2024-Q1", "2024-03-09", "1999-12-31", "never"]),
            "quantity": st.one_of(st.floats(-1e6, 1e6), st.sampled_from(["many", None])),
            "unit": st.sampled_from(["kg", "USD", "tonne*km"]),
        },
        optional={
            "supplier_name": st.sampled_from(["Steel Ltd", "Bürobedarf"]),
            "country": st.sampled_from(["DE", "US"]),
            "method": st.sampled_from(["spend_based", "average_data"]),
            "factor": st.sampled_from(["naics:331110", "freight:rail"]),
            "group": st.sampled_from(["a building", "another"]),
            "reference": st.text("abc", max_size=3),
            "temporal": st.integers(1, 5),
            "distance": st.floats(0, 1e4),
            "supplier_factor": st.floats(0, 10),
        },
    ),
    min_size=1,
    max_size=20,
)


def whole(rows: list[dict[str, object]]) -> Activities:
    (activities,) = activities_of(rows, len(rows))
    return activities


def sent(batch: EncodedBatch) -> Any:
    return AppendActivitiesRequest.FromString(batch.request).append


@settings(deadline=None)
@given(ROWS)
def test_the_server_reads_the_same_from_columns_and_from_rows(rows: list[dict[str, object]]) -> None:
    (columns,), (messages,) = (encode(whole(rows), 7, form=form) for form in Form)
    from_columns, early_columns = activities_from_columns(sent(columns).columns, BatchLimits())
    from_rows, early_rows = activities_from_rows(sent(messages).rows)
    assert early_columns.row.tolist() == early_rows.row.tolist()
    assert early_columns.value == early_rows.value
    np.testing.assert_array_equal(from_columns.quantity, from_rows.quantity)
    dictionaries = {"supplier": "suppliers.codes", "unit": "units", "factor": "factors", "group": "groups"}
    for name, entries in dictionaries.items():
        one, other = (
            [attrgetter(entries)(each)[at] for at in _index(each, name)] for each in (from_columns, from_rows)
        )
        assert one == other
    assert (from_columns.references or ("",) * len(rows)) == (from_rows.references or ("",) * len(rows))
    assert set(from_columns.inputs) == set(from_rows.inputs)


def _index(activities: Any, name: str) -> list[int]:
    column = getattr(activities, name)
    return [] if column is None else column.tolist()


@settings(deadline=None)
@given(ROWS)
def test_a_batch_carries_the_checksum_of_its_columns(rows: list[dict[str, object]]) -> None:
    (batch,) = encode(whole(rows), 0)
    append = sent(batch)
    assert append.crc32c == twins.checksum(append.columns)
    request = CalculateStreamRequest.FromString(calculate_request(whole(rows), allow_negative=True))
    assert request.crc32c == append.crc32c
    assert request.columns == append.columns
    assert request.allow_negative


@settings(deadline=None)
@given(ROWS, st.data())
def test_the_parts_of_a_batch_are_its_rows(rows: list[dict[str, object]], data: st.DataObject) -> None:
    activities = whole(rows)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=4)))
    parts = [activities.slice(start, stop) for start, stop in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
    assert plain(parts) == plain([activities])
    assert all(part.supplier.entries is activities.supplier.entries for part in parts)
    small = [part.with_used_suppliers() for part in parts]
    assert plain(small) == plain([activities])
    assert all(len(part.supplier.entries) <= max(len(part), 1) for part in small if len(part) < len(rows))


@pytest.mark.parametrize("form", list(Form))
def test_a_batch_that_would_be_too_large_is_several(form: Form) -> None:
    rows = [_row(number) for number in range(1_000)]
    batches = encode(whole(rows), 500, form=form, max_bytes=20_000)
    assert len(batches) > 1
    assert all(len(batch.request) <= 20_000 for batch in batches)
    assert [batch.offset for batch in batches] == [500, *(batch.end for batch in batches[:-1])]
    assert batches[-1].end == 1_500
    assert [sent(batch).offset for batch in batches] == [batch.offset for batch in batches]


def test_all_or_nothing_travels_with_the_batch() -> None:
    (batch,) = encode(whole([_row(0)]), 0, all_or_nothing=True)
    assert sent(batch).all_or_nothing


def test_a_row_as_a_message_has_every_field() -> None:
    row = _row(3) | {"country": "DE", "method": "average_data", "reliability": 1, "technological": 5, "distance": 2.5}
    (batch,) = encode(whole([row]), 0, form=Form.ROWS)
    (activity,) = sent(batch).rows.activities
    assert activity == activity_pb2.Activity(
        supplier_code="S-3",
        country="DE",
        category=activity_pb2.CATEGORY_PURCHASED_GOODS_AND_SERVICES,
        method=activity_pb2.METHOD_AVERAGE_DATA,
        quantity=3,
        unit="kg",
        reporting_period=Date(year=2024, month=4, day=1),
        quality=activity_pb2.Quality(reliability=1, technological=5),
        reference="INV-3",
        inputs={"distance": 2.5},
    )


def _row(number: int) -> dict[str, object]:
    return {
        "supplier_code": f"S-{number}",
        "category": 1,
        "reporting_period": "2024-Q2",
        "quantity": number,
        "unit": "kg",
        "reference": f"INV-{number}",
    }
