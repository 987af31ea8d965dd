"""What the client knows of the server's rules is what the server has."""

from vcci.v1.activity_pb2 import Activity
from vcci_client import fields
from vcci_client.encode import MAX_BATCH_BYTES
from vcci_engine.methods import INPUTS
from vcci_server.validation import MAX_NAME_BYTES, MAX_STRING_BYTES, BatchLimits


def test_the_named_inputs_are_those_of_the_methods() -> None:
    assert sorted(fields.INPUTS) == sorted(INPUTS)


def test_the_longest_texts_are_those_that_the_server_takes() -> None:
    assert fields.MAX_BYTES_ELSE == MAX_STRING_BYTES
    assert fields.MAX_BYTES["supplier_name"] == MAX_NAME_BYTES
    assert BatchLimits().max_message_bytes > MAX_BATCH_BYTES


def test_every_field_of_an_activity_can_be_given() -> None:
    of_message = {field.name for field in Activity.DESCRIPTOR.fields} - {"quality", "inputs"}
    assert of_message == set(fields.FIELDS) - set(fields.SCORES) - set(fields.INPUTS)
