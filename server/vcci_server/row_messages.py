"""Batches of one message per row, from the wire to arrays; plain Python, 2 to 4 microseconds a row."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import date
from typing import TypeVar

import numpy as np
from vcci.v1 import activity_pb2 as pb
from vcci_engine.activities import Activities, DayArray, IndexArray, InputColumn
from vcci_engine.dates import EPOCH
from vcci_engine.quality import SCORES, WORST
from vcci_engine.results import Reason, RowErrors
from vcci_engine.suppliers import Suppliers

from vcci_server.early import EarlyErrors
from vcci_server.validation import MAX_NAME_BYTES, MAX_STRING_BYTES, are_storable, string_problem

T = TypeVar("T", bound=Hashable)

EPOCH_ORDINAL = EPOCH.toordinal()


def activities_from_rows(data: bytes | pb.ActivityRows) -> tuple[Activities, RowErrors]:
    """Return the rows as columns, and the rows that no column can hold (a date that does not exist, a long text).

    The message has passed `validation.check_rows`.
    """
    message = pb.ActivityRows.FromString(data) if isinstance(data, bytes) else data
    return decode(message.activities, EarlyErrors(message.malformed))


def decode(messages: Iterable[pb.Activity], early: EarlyErrors) -> tuple[Activities, RowErrors]:
    """Return the activities as columns, and the errors known so far with those found on the way."""
    rows = list(messages)
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
    strings = {field: _storable(field, *column, early) for field, column in texts.items()}
    period = _periods(rows, early)
    quality = _qualities(rows, early)
    inputs = _row_inputs(rows, early)
    return early.settle(
        Activities(
            suppliers=Suppliers.of(strings["supplier_code"], strings["supplier_name"], strings["country"]),
            units=strings["unit"],
            factors=strings["factor"],
            supplier=supplier,
            category=_enum([row.category for row in rows]),
            quantity=np.array([row.quantity for row in rows], np.float64),
            unit=texts["unit"][1],
            period=period,
            method=_unless_zero(_enum([row.method for row in rows])),
            factor=texts["factor"][1] if any(strings["factor"]) else None,
            quality=_unless_zero(quality),
            groups=strings["group"] if any(strings["group"]) else (),
            group=texts["group"][1] if any(strings["group"]) else None,
            references=strings["reference"] if any(strings["reference"]) else (),
            inputs=inputs,
        )
    )


def _dictionary(values: Iterable[T]) -> tuple[list[T], IndexArray]:
    index: dict[T, int] = {}
    column = np.array([index.setdefault(value, len(index)) for value in values], np.uint32)
    return list(index), column


def _storable(field: str, strings: list[str], column: IndexArray, early: EarlyErrors) -> tuple[str, ...]:
    """Return the dictionary without texts that cannot be stored; note the rows that have one."""
    limit = MAX_NAME_BYTES if field == "supplier_name" else MAX_STRING_BYTES
    if are_storable(strings, limit):
        return tuple(strings)
    wrong = {number: problem for number, text in enumerate(strings) if (problem := string_problem(text, limit))}
    for row in np.flatnonzero(np.isin(column, list(wrong))):
        number = int(column[row])
        early.add(int(row), Reason.MALFORMED_VALUE, field, strings[number], wrong[number][0])
    return tuple("" if number in wrong else text for number, text in enumerate(strings))


def _enum(numbers: list[int]) -> IndexArray:
    return np.array(numbers, np.int32).view(np.uint32)  # an open enum may hold a negative number


def _unless_zero(column: IndexArray) -> IndexArray | None:
    return column if column.any() else None


def _periods(rows: list[pb.Activity], early: EarlyErrors) -> DayArray:
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
            early.add(number, Reason.MALFORMED_VALUE, "reporting_period", text, "a date")
        else:
            early.add(number, Reason.REQUIRED_FIELD, "reporting_period", "", "a date")
    return period


def _days(year: int, month: int, day: int) -> int | None:
    try:
        return date(year, month, day).toordinal() - EPOCH_ORDINAL
    except (ValueError, OverflowError):
        return None


def _qualities(rows: list[pb.Activity], early: EarlyErrors) -> IndexArray:
    known: dict[tuple[int, ...], int | None] = {}
    quality = np.zeros(len(rows), np.uint32)
    for number, row in enumerate(rows):
        if not row.HasField("quality"):
            continue
        given = row.quality
        scores = given.reliability, given.completeness, given.temporal, given.geographical, given.technological
        if scores not in known:
            known[scores] = _wire(scores)
        if (wire := known[scores]) is not None:
            quality[number] = wire
        else:
            field, score = next(pair for pair in zip(SCORES, scores, strict=True) if pair[1] > WORST)
            early.add(number, Reason.OUT_OF_RANGE, f"quality.{field}", score, "a score from 0 to 5")
    return quality


def _wire(scores: Sequence[int]) -> int | None:
    """Return the scores as a hexadecimal digit each; None when one is no score."""
    if max(scores) > WORST:
        return None
    return sum(score << 4 * place for place, score in enumerate(reversed(scores)))


def _row_inputs(rows: list[pb.Activity], early: EarlyErrors) -> Mapping[str, InputColumn]:
    found: dict[str, tuple[list[int], list[float]]] = {}
    for number, row in enumerate(rows):
        if not row.inputs:
            continue
        for name, value in row.inputs.items():
            if not name or string_problem(name, MAX_STRING_BYTES):
                early.add(number, Reason.UNKNOWN_INPUT, "inputs", name, "an input's name")
                continue
            at, values = found.setdefault(name, ([], []))
            at.append(number)
            values.append(value)
    return {
        name: InputColumn(np.array(values), None if len(at) == len(rows) else np.array(at, np.uint32))
        for name, (at, values) in sorted(found.items())
    }
