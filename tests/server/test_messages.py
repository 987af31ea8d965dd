"""Batches from the wire to arrays: as columns, as rows, and what is wrong with them."""

import pickle
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pytest
from google.type.date_pb2 import Date
from hypothesis import given
from hypothesis import strategies as st
from vcci import columns as twins
from vcci.v1 import activity_pb2 as pb
from vcci_engine.activities import Activities
from vcci_engine.errors import InvalidBatch
from vcci_engine.factors import FactorTable, build_table
from vcci_engine.results import Calculation, Reason
from vcci_server.messages import (
    activities_from_columns,
    calculate_batch,
    check_crc32c,
    decode_and_calculate_rows,
)
from vcci_server.row_messages import activities_from_rows
from vcci_server.validation import BatchLimits, check_rows

INDEX, UNEQUAL, LIMIT = "INDEX_OUT_OF_DICTIONARY", "UNEQUAL_COLUMNS", "LIMIT_EXCEEDED"
LIMITS = BatchLimits(max_rows=10, max_dictionary_entries=5)
DAY = (date(2025, 3, 1) - date(1970, 1, 1)).days


def batch(**changes: Any) -> pb.ActivityColumns:
    """Two right rows, with changes."""
    fields: dict[str, Any] = {
        "supplier_codes": ["S1", "S2"],
        "units": ["kg"],
        "factors": ["test:steel"],
        "supplier": [1, 0],
        "category": [1, 2],
        "quantity": [10.0, 20.0],
        "unit": [0, 0],
        "factor": [0, 0],
        "period": [DAY, DAY],
    }
    return pb.ActivityColumns(**(fields | changes))


def activity(**changes: Any) -> pb.Activity:
    """A right row, with changes."""
    fields: dict[str, Any] = {
        "supplier_code": "S1",
        "category": 1,
        "quantity": 10.0,
        "unit": "kg",
        "factor": "test:steel",
        "reporting_period": Date(year=2025, month=3, day=1),
    }
    return pb.Activity(**(fields | changes))


@pytest.fixture(scope="module")
def factors() -> FactorTable:
    one: dict[str, Any] = {"ids": [3], "keys": ["test:steel"], "regions": [""], "years": [2020]}
    return build_table(1, "hash", units=["kg"], kg_co2e=[2.0], gsd2=[1.1], **one)


def calculated(message: pb.ActivityColumns, factors: FactorTable) -> Calculation:
    return calculate_batch(*activities_from_columns(message, LIMITS), factors, False)


def error_of(calculation: Calculation) -> tuple[int, Reason, str, str]:
    """The only error of a calculation."""
    errors = calculation.errors
    assert len(errors) == 1
    return int(errors.row[0]), errors.reason[0], errors.field[0], errors.value[0]


def test_columns_become_arrays_of_the_engines_types() -> None:
    message = batch(method=[0, 2], quality=[0, 0x12345], groups=["A"], group=[0, 0], references=["r1", "r2"])
    message.inputs.add(name="share", value=[0.5], row=[1])
    message.inputs.add(name="days", value=[1.0, 2.0])
    activities, early = activities_from_columns(message, LIMITS)
    assert len(early) == 0
    assert len(activities) == 2
    columns = activities.supplier, activities.period, activities.quantity
    assert [str(column.dtype) for column in columns] == ["uint32", "int32", "float64"]
    assert activities.supplier.tolist() == [1, 0]
    assert activities.quality is not None
    assert activities.quality.tolist() == [0, 0x12345]
    assert activities.inputs["share"].rows is not None
    assert activities.inputs["share"].rows.tolist() == [1]
    assert activities.inputs["days"].rows is None
    assert activities.references == ("r1", "r2")


def test_optional_columns_that_are_empty_are_none() -> None:
    activities, _ = activities_from_columns(batch(factor=[], factors=[]), LIMITS)
    optional = (activities.method, activities.factor, activities.quality, activities.group)
    assert optional == (None, None, None, None)


def _input(**fields: Any) -> pb.ActivityColumns:
    message = batch()
    message.inputs.add(**fields)
    return message


def _malformed(*rows: int) -> pb.ActivityColumns:
    return batch(malformed=[pb.MalformedCell(row=row, field="unit", value="?") for row in rows])


DAYS = pb.InputColumn(name="days", value=[1, 2])
WRONG: dict[str, tuple[Callable[[], pb.ActivityColumns], str, str]] = {
    "short column": (lambda: batch(unit=[0]), UNEQUAL, "columns.unit"),
    "long column": (lambda: batch(category=[1, 2, 3]), UNEQUAL, "columns.category"),
    "no period": (lambda: batch(period=[]), UNEQUAL, "columns.period"),
    "no quantity": (lambda: batch(quantity=[]), UNEQUAL, "columns.quantity"),
    "names": (lambda: batch(supplier_names=["a"]), UNEQUAL, "columns.supplier_names"),
    "countries": (lambda: batch(supplier_countries=["DE"]), UNEQUAL, "columns.supplier_countries"),
    "references": (lambda: batch(references=["a"]), UNEQUAL, "columns.references"),
    "supplier": (lambda: batch(supplier=[0, 2]), INDEX, "columns.supplier[1]"),
    "unit": (lambda: batch(unit=[4_000_000_000, 0]), INDEX, "columns.unit[0]"),
    "factor": (lambda: batch(factors=[]), INDEX, "columns.factor[0]"),
    "group": (lambda: batch(group=[0, 0]), INDEX, "columns.group[0]"),
    "rows": (lambda: batch(quantity=[1.0] * 11), LIMIT, "columns.quantity"),
    "dictionary": (lambda: batch(units=["kg"] * 6), LIMIT, "columns.units"),
    "string": (lambda: batch(units=["ü" * 65]), LIMIT, "columns.units[0]"),
    "name": (lambda: batch(supplier_names=["a", "a" * 257]), LIMIT, "columns.supplier_names[1]"),
    "nul": (lambda: batch(references=["a", "b\0"]), "MALFORMED_VALUE", "columns.references[1]"),
    "input twice": (
        lambda: batch(inputs=[pb.InputColumn(name="a", value=[1, 2])] * 2),
        "MALFORMED_VALUE",
        "columns.inputs[1].name",
    ),
    "inputs": (
        lambda: batch(inputs=[pb.InputColumn(name=str(n)) for n in range(65)]),
        "LIMIT_EXCEEDED",
        "columns.inputs",
    ),
    "input name": (lambda: _input(value=[1, 2]), "REQUIRED_FIELD", "columns.inputs[0].name"),
    "input values": (lambda: _input(name="a", value=[1]), UNEQUAL, "columns.inputs[0].value"),
    "input rows": (lambda: _input(name="a", value=[1], row=[0, 1]), UNEQUAL, "columns.inputs[0].value"),
    "input row": (lambda: _input(name="a", value=[1], row=[2]), INDEX, "columns.inputs[0].row[0]"),
    "input order": (
        lambda: _input(name="a", value=[1, 1], row=[1, 0]),
        INDEX,
        "columns.inputs[0].row[1]",
    ),
    "input row twice": (
        lambda: _input(name="a", value=[1, 1], row=[1, 1]),
        INDEX,
        "columns.inputs[0].row[1]",
    ),
    "malformed row": (lambda: _malformed(2), INDEX, "columns.malformed[0].row"),
    "malformed order": (lambda: _malformed(1, 0), INDEX, "columns.malformed[1].row"),
}


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_a_batch_that_is_wrong_as_a_whole_names_its_field(
    case: tuple[Callable[[], pb.ActivityColumns], str, str],
) -> None:
    make, reason, field = case
    with pytest.raises(InvalidBatch) as raised:
        activities_from_columns(make(), LIMITS)
    assert (raised.value.reason, raised.value.problem.field) == (reason, field)
    assert raised.value.problem.expected


def test_strings_at_the_limit_are_taken() -> None:
    activities, _ = activities_from_columns(batch(units=["ü" * 64], supplier_names=["a" * 256, ""]), LIMITS)
    assert activities.units == ("ü" * 64,)


def test_a_batch_of_nothing_is_a_batch() -> None:
    assert len(activities_from_columns(pb.ActivityColumns(), LIMITS)[0]) == 0


def test_a_wrong_checksum_names_the_right_one() -> None:
    message = batch()
    check_crc32c(message, twins.checksum(message))
    with pytest.raises(InvalidBatch) as raised:
        check_crc32c(message, twins.checksum(message) ^ 1)
    assert raised.value.reason == "CHECKSUM_MISMATCH"
    assert f"{twins.checksum(message):#010x}" in raised.value.problem.expected


def test_the_first_cell_that_a_client_could_not_read_rejects_its_row(factors: FactorTable) -> None:
    cells = [pb.MalformedCell(row=1, field=f, value="1,2,3", expected="a number") for f in ("quantity", "unit")]
    calculation = calculated(batch(malformed=cells, category=[1, 99]), factors)
    assert error_of(calculation) == (1, Reason.MALFORMED_VALUE, "quantity", "1,2,3")
    assert calculation.emissions.kg_co2e.tolist() == [20.0]


def test_rows_become_the_same_arrays_as_columns(factors: FactorTable) -> None:
    rows = pb.ActivityRows(activities=[activity(supplier_code="S2"), activity(category=2, quantity=20.0)])
    of_rows, _ = activities_from_rows(rows.SerializeToString())
    of_columns, _ = activities_from_columns(batch(supplier_codes=["S2", "S1"], supplier=[0, 1]), LIMITS)
    for name in ("supplier", "category", "quantity", "unit", "period", "factor"):
        np.testing.assert_array_equal(getattr(of_rows, name), getattr(of_columns, name))
    assert of_rows.suppliers.codes == of_columns.suppliers.codes
    for name in ("units", "factors", "groups", "references", "method", "group", "quality", "inputs"):
        assert getattr(of_rows, name) == getattr(of_columns, name)


def test_a_row_has_all_its_fields(factors: FactorTable) -> None:
    full = activity(
        supplier_name="Acme",
        country="DE",
        method=2,
        quality=pb.Quality(reliability=1, completeness=2, temporal=3, geographical=4, technological=5),
        group="G",
        reference="r",
        inputs={"days": 3.0},
    )
    activities, early = activities_from_rows(pb.ActivityRows(activities=[activity(), full]))
    assert len(early) == 0
    assert (activities.suppliers.codes, activities.suppliers.names) == (["S1", "S1"], ["", "Acme"])
    assert [activities.suppliers.country_of(entry) for entry in (0, 1)] == ["", "DE"]
    assert [column.tolist() for column in (activities.method, activities.quality) if column is not None] == [
        [0, 2],
        [0, 0x12345],
    ]
    assert activities.groups == ("", "G")
    assert activities.references == ("", "r")
    assert (activities.inputs["days"].values.tolist(), _rows(activities)) == ([3.0], [1])


def _rows(activities: Activities) -> list[int]:
    rows = activities.inputs["days"].rows
    assert rows is not None
    return list(rows)


@pytest.mark.parametrize(
    ("wrong", "reason", "field", "value"),
    [
        (
            {"reporting_period": Date(year=2025, month=13, day=1)},
            Reason.MALFORMED_VALUE,
            "reporting_period",
            "2025-13-01",
        ),
        ({"reporting_period": Date(year=-1, month=1, day=1)}, Reason.MALFORMED_VALUE, "reporting_period", "-001-01-01"),
        ({"reporting_period": None}, Reason.REQUIRED_FIELD, "reporting_period", ""),
        ({"quality": pb.Quality(temporal=200)}, Reason.OUT_OF_RANGE, "quality.temporal", "200"),
        ({"unit": "k\0g"}, Reason.MALFORMED_VALUE, "unit", "k\\0g"),
        ({"supplier_name": "ü" * 129}, Reason.MALFORMED_VALUE, "supplier_name", "ü" * 128),
        ({"reference": "x" * 129}, Reason.MALFORMED_VALUE, "reference", "x" * 128),
        ({"inputs": {"": 1.0}}, Reason.UNKNOWN_INPUT, "inputs", ""),
        ({"inputs": {"a\0": 1.0}}, Reason.UNKNOWN_INPUT, "inputs", "a\\0"),
        ({"category": 16}, Reason.UNKNOWN_CATEGORY, "category", "16"),
        ({"quantity": float("nan")}, Reason.NOT_FINITE, "quantity", "nan"),
        ({"unit": "stone cold"}, Reason.UNKNOWN_UNIT, "unit", "stone cold"),
    ],
)
def test_a_wrong_row_is_rejected_and_the_others_calculated(
    factors: FactorTable, wrong: dict[str, Any], reason: Reason, field: str, value: str
) -> None:
    rows = pb.ActivityRows(activities=[activity(), activity(**wrong), activity()])
    activities, calculation = decode_and_calculate_rows(factors, rows.SerializeToString(), False)
    assert error_of(calculation) == (1, reason, field, value)
    assert calculation.emissions.row.tolist() == [0, 2]
    assert "\0" not in "".join((*activities.suppliers.names, *activities.units, *activities.references))


def test_rows_over_the_limit_are_refused() -> None:
    check_rows(pb.ActivityRows(activities=[activity()] * 10), LIMITS)
    with pytest.raises(InvalidBatch) as raised:
        check_rows(pb.ActivityRows(activities=[activity()] * 11), LIMITS)
    assert (raised.value.reason, raised.value.problem.field) == ("LIMIT_EXCEEDED", "rows.activities")
    with pytest.raises(InvalidBatch):
        check_rows(pb.ActivityRows(malformed=[pb.MalformedCell()]), LIMITS)


@given(st.lists(st.sampled_from(["S1", "S2", "S3"]), max_size=9), st.data())
def test_any_split_of_rows_decodes_to_the_same_rows(codes: list[str], data: st.DataObject) -> None:
    rows = [
        activity(supplier_code=code, quantity=float(n), factor="" if n % 2 else "f") for n, code in enumerate(codes)
    ]
    cut = data.draw(st.integers(0, len(rows)))
    whole = _decoded(activities_from_rows(pb.ActivityRows(activities=rows))[0])
    parts = [activities_from_rows(pb.ActivityRows(activities=part))[0] for part in (rows[:cut], rows[cut:])]
    assert whole == [row for part in parts for row in _decoded(part)]


def _decoded(activities: Activities) -> list[tuple[str, str, float]]:
    factor = activities.factor
    return [
        (
            activities.suppliers.codes[activities.supplier[row]],
            "" if factor is None else activities.factors[factor[row]],
            float(activities.quantity[row]),
        )
        for row in range(len(activities))
    ]


def test_the_works_that_ray_runs_can_be_pickled(factors: FactorTable) -> None:
    data = pb.ActivityRows(activities=[activity()]).SerializeToString()
    function, arguments = pickle.loads(pickle.dumps((decode_and_calculate_rows, (factors, data, False))))
    _, calculation = function(*arguments)
    assert calculation.emissions.kg_co2e.tolist() == [20.0]
