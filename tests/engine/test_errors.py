"""Errors travel between processes whole."""

import pickle

import pytest
from vcci_engine.errors import (
    FieldProblem,
    InvalidBatch,
    InvalidFields,
    NotFound,
    OffsetMismatch,
    Overloaded,
    VcciError,
)


@pytest.mark.parametrize(
    "error",
    [
        VcciError(),
        InvalidBatch("columns.unit", "3 values", "2 values", reason="UNEQUAL_COLUMNS"),
        InvalidFields([FieldProblem("unit", "x", "a unit", "UNKNOWN_UNIT")]),
        OffsetMismatch(7, 2),
        Overloaded(retry_after_s=5.0),
        NotFound(metadata={"name": "uploads/1"}),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_comes_out_of_a_pickle_as_it_went_in(error: VcciError) -> None:
    came = pickle.loads(pickle.dumps(error))
    assert (type(came), str(came), vars(came)) == (type(error), str(error), vars(error))
