"""Batches of activities, from the wire to arrays."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, TypeVar

import numpy as np
from vcci.columns import checksum
from vcci.v1 import activity_pb2 as pb
from vcci_engine.activities import Activities, DayArray, IndexArray, InputColumn
from vcci_engine.calculate import calculate
from vcci_engine.errors import InvalidBatch
from vcci_engine.factors import FactorTable
from vcci_engine.results import Calculation, Reason, RowErrors

from vcci_server.validation import (
    MAX_INPUTS,
    MAX_NAME_BYTES,
    MAX_STRING_BYTES,
    BatchLimits,
    check_batch,
    string_problem,
)

T = TypeVar("T", bound=Hashable)

EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


def activities_from_columns(columns: pb.ActivityColumns, limits: BatchLimits) -> Activities:
    """Return a batch as arrays; raise InvalidBatch when it is wrong as a whole."""
    activities = Activities(
        supplier_codes=tuple(columns.supplier_codes),
        supplier_names=tuple(columns.supplier_names),
        supplier_countries=tuple(columns.supplier_countries),
        units=tuple(columns.units),
        factors=tuple(columns.factors),
        supplier=np.asarray(columns.supplier),
        category=np.asarray(columns.category),
        quantity=np.asarray(columns.quantity),
        unit=np.asarray(columns.unit),
        period=np.asarray(columns.period),
        method=_optional(columns.method),
        factor=_optional(columns.factor),
        quality=_optional(columns.quality),
        groups=tuple(columns.groups),
        group=_optional(columns.group),
        references=tuple(columns.references),
        inputs=_inputs(columns.inputs),
    )
    check_batch(activities, limits)
    return activities


def check_crc32c(columns: pb.ActivityColumns, crc32c: int) -> None:
    """Raise InvalidBatch unless the columns have this checksum."""
    if (found := checksum(columns)) != crc32c:
        expected = f"{found:#010x}, the CRC-32C of the columns as received"
        raise InvalidBatch("crc32c", f"{crc32c:#010x}", expected, reason="CHECKSUM_MISMATCH")


def _optional(column: Any) -> IndexArray | None:
    return np.asarray(column) if len(column) else None


def _inputs(columns: Sequence[pb.InputColumn]) -> dict[str, InputColumn]:
    if len(columns) > MAX_INPUTS:
        raise InvalidBatch("columns.inputs", len(columns), f"at most {MAX_INPUTS} inputs", reason="LIMIT_EXCEEDED")
    inputs: dict[str, InputColumn] = {}
    for number, column in enumerate(columns):
        if column.name in inputs:
            field = f"columns.inputs[{number}].name"
            raise InvalidBatch(field, column.name, "each input once", reason="MALFORMED_VALUE")
        inputs[column.name] = InputColumn(np.asarray(column.value), _optional(column.row))
    return inputs


class _RowProblems:
    """The rows whose message already says that they are wrong; the first problem of a row counts."""

    def __init__(self) -> None:
        self._found: dict[int, tuple[Reason, str, str, str]] = {}

    def add(self, row: int, reason: Reason, field: str, value: object, expected: str) -> None:
        self._found.setdefault(row, (reason, field, str(value)[:128], expected))

    def errors(self) -> RowErrors:
        rows = sorted(self._found)
        columns = list(zip(*(self._found[row] for row in rows), strict=True)) or [(), (), (), ()]
        return RowErrors(np.array(rows, np.uint32), *columns)


def activities_from_rows(data: bytes | pb.ActivityRows) -> tuple[Activities, RowErrors]:
    """Return the rows as columns, and the rows that no column can hold (a date that does not exist, a long text).

    Those rows have the quantity NaN, so that the engine rejects them whatever else they hold.
    """
    message = pb.ActivityRows.FromString(data) if isinstance(data, bytes) else data
    rows = list(message.activities)
    problems = _RowProblems()
    suppliers, supplier = _dictionary([(row.supplier_code, row.supplier_name, row.country) for row in rows])
    texts = {
        "supplier_code": ([entry[0] for entry in suppliers], supplier),
        "supplier_name": ([entry[1] for entry in suppliers], supplier),
        "country": ([entry[2] for entry in suppliers], supplier),
        "unit": _dictionary([row.unit for row in rows]),
        "factor": _dictionary([row.factor for row in rows]),
        "group": _dictionary([row.group for row in rows]),
        "reference": ([row.reference for row in rows], np.arange(len(rows), dtype=np.uint32)),
    }
    strings = {field: _storable(field, *column, problems) for field, column in texts.items()}
    period = _periods(rows, problems)
    quality = _qualities(rows, problems)
    inputs = _row_inputs(rows, problems)
    errors = problems.errors()
    quantity = np.array([row.quantity for row in rows], np.float64)
    quantity[errors.row] = np.nan
    return (
        Activities(
            supplier_codes=strings["supplier_code"],
            supplier_names=strings["supplier_name"],
            supplier_countries=strings["country"],
            units=strings["unit"],
            factors=strings["factor"],
            supplier=supplier,
            category=_enum([row.category for row in rows]),
            quantity=quantity,
            unit=texts["unit"][1],
            period=period,
            method=_unless_zero(_enum([row.method for row in rows])),
            factor=texts["factor"][1] if any(strings["factor"]) else None,
            quality=_unless_zero(quality),
            groups=strings["group"] if any(strings["group"]) else (),
            group=texts["group"][1] if any(strings["group"]) else None,
            references=strings["reference"] if any(strings["reference"]) else (),
            inputs=inputs,
        ),
        errors,
    )


def _dictionary(values: Iterable[T]) -> tuple[list[T], IndexArray]:
    index: dict[T, int] = {}
    column = np.array([index.setdefault(value, len(index)) for value in values], np.uint32)
    return list(index), column


def _storable(field: str, strings: list[str], column: IndexArray, problems: _RowProblems) -> tuple[str, ...]:
    """Return the dictionary without texts that cannot be stored; note the rows that have one."""
    limit = MAX_NAME_BYTES if field == "supplier_name" else MAX_STRING_BYTES
    wrong = {number: problem for number, text in enumerate(strings) if (problem := string_problem(text, limit))}
    for row in np.flatnonzero(np.isin(column, list(wrong))) if wrong else ():
        number = int(column[row])
        value = strings[number].replace("\0", "\\0")
        problems.add(int(row), Reason.MALFORMED_VALUE, field, value, wrong[number][0])
    return tuple("" if number in wrong else text for number, text in enumerate(strings))


def _enum(numbers: list[int]) -> IndexArray:
    return np.array(numbers, np.int32).view(np.uint32)  # an open enum may hold a negative number


def _unless_zero(column: IndexArray) -> IndexArray | None:
    return column if column.any() else None


def _periods(rows: list[pb.Activity], problems: _RowProblems) -> DayArray:
    known: dict[tuple[int, int, int], int | None] = {}
    period = np.zeros(len(rows), np.int32)
    for number, row in enumerate(rows):
        day = (given := row.reporting_period).year, given.month, given.day
        if day not in known:
            known[day] = _days(*day)
        if (days := known[day]) is not None:
            period[number] = days
        elif any(day):
            text = f"{day[0]:04}-{day[1]:02}-{day[2]:02}"
            problems.add(number, Reason.MALFORMED_VALUE, "reporting_period", text, "a date")
        else:
            problems.add(number, Reason.REQUIRED_FIELD, "reporting_period", "", "a date")
    return period


def _days(year: int, month: int, day: int) -> int | None:
    try:
        return date(year, month, day).toordinal() - EPOCH_ORDINAL
    except (ValueError, OverflowError):
        return None


def _qualities(rows: list[pb.Activity], problems: _RowProblems) -> IndexArray:
    quality = np.zeros(len(rows), np.uint32)
    for number, row in enumerate(rows):
        if row.HasField("quality"):
            given = row.quality
            scores = (
                given.reliability,
                given.completeness,
                given.temporal,
                given.geographical,
                given.technological,
            )
            if max(scores) > 5:
                field, score = next(pair for pair in zip(_SCORES, scores, strict=True) if pair[1] > 5)
                problems.add(number, Reason.OUT_OF_RANGE, f"quality.{field}", score, "a score from 0 to 5")
            else:
                quality[number] = sum(score << shift for score, shift in zip(scores, _SHIFTS, strict=True))
    return quality


_SCORES = ("reliability", "completeness", "temporal", "geographical", "technological")
_SHIFTS = (16, 12, 8, 4, 0)


def _row_inputs(rows: list[pb.Activity], problems: _RowProblems) -> Mapping[str, InputColumn]:
    found: dict[str, tuple[list[int], list[float]]] = {}
    for number, row in enumerate(rows):
        if not row.inputs:
            continue
        for name, value in row.inputs.items():
            if not name or string_problem(name, MAX_STRING_BYTES):
                problems.add(number, Reason.UNKNOWN_INPUT, "inputs", name.replace("\0", "\\0"), "an input's name")
                continue
            at, values = found.setdefault(name, ([], []))
            at.append(number)
            values.append(value)
    return {
        name: InputColumn(np.array(values), None if len(at) == len(rows) else np.array(at, np.uint32))
        for name, (at, values) in found.items()
    }


def decode_and_calculate_rows(
    factors: FactorTable, data: bytes | pb.ActivityRows, allow_negative: bool
) -> tuple[Activities, Calculation]:
    """Return the decoded rows and their calculation; a function of the module, so that Ray can run it."""
    activities, early = activities_from_rows(data)
    calculation = calculate(activities, factors, allow_negative=allow_negative)
    return activities, with_early_errors(calculation, early)


def with_early_errors(calculation: Calculation, early: RowErrors) -> Calculation:
    """Return the calculation with the decoder's errors in place of the engine's for the same rows."""
    if not len(early):
        return calculation
    merged = {int(error[0]): error for errors in (calculation.errors, early) for error in _each(errors)}
    columns = zip(*(merged[row] for row in sorted(merged)), strict=True)
    row, reason, field, value, expected = columns
    errors = RowErrors(np.array(row, np.uint32), reason, field, value, expected)
    return Calculation(calculation.emissions, errors, calculation.factor_set_id)


def _each(errors: RowErrors) -> Iterable[tuple[Any, Reason, str, str, str]]:
    return zip(errors.row, errors.reason, errors.field, errors.value, errors.expected, strict=True)
