"""The private twins write what the public messages read."""

import zlib
from typing import Any

import google_crc32c
import numpy as np
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from vcci import columns
from vcci.v1 import activity_pb2, calculation_service_pb2, emission_pb2, emission_service_pb2, upload_service_pb2

DTYPES = {
    FieldDescriptor.TYPE_FIXED32: "<u4",
    FieldDescriptor.TYPE_SFIXED32: "<i4",
    FieldDescriptor.TYPE_FLOAT: "<f4",
    FieldDescriptor.TYPE_DOUBLE: "<f8",
}
TWINS: list[tuple[Any, type[Message]]] = [
    (columns.ActivityColumns, activity_pb2.ActivityColumns),
    (columns.InputColumn, activity_pb2.InputColumn),
    (columns.EmissionColumns, emission_pb2.EmissionColumns),
    (columns.AppendActivitiesRequest, upload_service_pb2.AppendActivitiesRequest),
    (columns.CalculateStreamRequest, calculation_service_pb2.CalculateStreamRequest),
    (columns.CalculateStreamResponse, calculation_service_pb2.CalculateStreamResponse),
    (columns.StreamEmissionsResponse, emission_service_pb2.StreamEmissionsResponse),
]


@pytest.mark.parametrize(("twin", "public"), TWINS, ids=[public.DESCRIPTOR.name for _, public in TWINS])
def test_a_twin_has_the_same_fields_with_bytes_for_columns(twin: Any, public: type[Message]) -> None:
    mine, theirs = twin.DESCRIPTOR.fields_by_number, public.DESCRIPTOR.fields_by_number
    assert mine.keys() == theirs.keys()
    for number, field in theirs.items():
        assert mine[number].name == field.name
        if field.is_packed:
            assert mine[number].type == FieldDescriptor.TYPE_BYTES


@pytest.mark.parametrize("public", [public for _, public in TWINS], ids=[public.DESCRIPTOR.name for _, public in TWINS])
def test_every_packed_field_is_a_fixed_width_column(public: type[Message]) -> None:
    assert all(columns.is_column(field) for field in public.DESCRIPTOR.fields if field.is_packed)


@st.composite
def activity_columns(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Number columns by name, as arrays, and string columns."""
    fields = activity_pb2.ActivityColumns.DESCRIPTOR.fields
    numbers = {
        field.name: draw(hnp.arrays(DTYPES[field.type], st.integers(0, 20))) for field in fields if field.is_packed
    }
    texts = {
        field.name: draw(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=4))
        for field in fields
        if field.type == FieldDescriptor.TYPE_STRING
    }
    return numbers, texts


@given(activity_columns(), st.lists(st.floats(), max_size=5), st.text(st.characters(exclude_categories=["Cs"])))
def test_the_public_message_reads_the_values_that_a_twin_wrote(
    batch: tuple[dict[str, Any], dict[str, list[str]]], inputs: list[float], name: str
) -> None:
    numbers, texts = batch
    twin = columns.ActivityColumns(**texts)
    for field, array in numbers.items():
        setattr(twin, field, columns.pack(array, array.dtype))
    twin.inputs.add(name=name, value=columns.pack(inputs, "<f8"), row=columns.pack(range(len(inputs)), "<u4"))
    public = activity_pb2.ActivityColumns.FromString(twin.SerializeToString())
    for field, array in numbers.items():
        np.testing.assert_array_equal(np.asarray(getattr(public, field)), array)
    assert {field: list(getattr(public, field)) for field in texts} == texts
    assert public.inputs[0].name == name
    np.testing.assert_array_equal(np.asarray(public.inputs[0].value), inputs)
    assert list(public.inputs[0].row) == list(range(len(inputs)))
    assert columns.checksum(public) == columns.checksum(twin)
    assert public.SerializeToString(deterministic=True) == twin.SerializeToString(deterministic=True)


def test_a_checksum_is_over_the_fields_in_the_order_of_their_numbers() -> None:
    batch = activity_pb2.ActivityColumns(units=["kg", "t"], supplier_codes=["ä"], quantity=[1.5], period=[-1])
    batch.inputs.add(name="share", value=[0.5], row=[0])
    batch.malformed.add(row=3, field="quantity", value="x")
    expected = b"".join(
        [
            "ä\0".encode(),
            b"kg\0t\0",
            np.array([1.5], "<f8").tobytes(),
            np.array([-1], "<i4").tobytes(),
            b"share\0" + np.array([0.5], "<f8").tobytes() + np.array([0], "<u4").tobytes(),
            np.array([3], "<u4").tobytes() + b"quantity\0" + b"x\0" + b"\0",
        ]
    )
    assert columns.checksum(batch) == google_crc32c.value(expected) != zlib.crc32(expected)


def test_the_fields_stand_in_the_order_of_their_numbers() -> None:
    for message in (activity_pb2.ActivityColumns, activity_pb2.InputColumn, activity_pb2.MalformedCell):
        numbers = [field.number for field in message.DESCRIPTOR.fields]
        assert numbers == sorted(numbers)


def test_the_parts_without_columns_keep_their_public_class() -> None:
    response = columns.CalculateStreamResponse()
    response.batch.row_errors.add(row=1).value = "x"
    response.batch.total.CopyFrom(emission_pb2.Estimate(kg_co2e=2))
    read = calculation_service_pb2.CalculateStreamResponse.FromString(response.SerializeToString())
    assert (read.batch.row_errors[0].value, read.batch.total.kg_co2e) == ("x", 2)
