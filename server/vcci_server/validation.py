"""Checks of what comes in: a batch as a whole, resource names, texts, page sizes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from vcci.v1 import activity_pb2 as pb
from vcci_engine.activities import Activities, IndexArray, InputColumn
from vcci_engine.errors import FieldProblem, InvalidBatch, InvalidField, InvalidFields, shown

MAX_STRING_BYTES = 128
MAX_NAME_BYTES = 256
MAX_INPUTS = 64  # named inputs of one batch; the methods know fewer
INT64_DIGITS = 18
FEW_STRINGS = 16  # up to here a loop costs less than an array


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What one call may be."""

    message_bytes: int = 16 << 20
    metadata_bytes: int = 8_192
    unlimited_s: float = 600.0  # of a call for one answer whose client has set no deadline
    wait_s: float = 0.1  # of unary calls for those before them; while it would be more, some are refused


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What one batch may hold; the contract's message of the same name."""

    max_message_bytes: int = 16 << 20
    max_rows: int = 250_000
    max_dictionary_entries: int = 65_535
    max_string_bytes: int = MAX_STRING_BYTES
    max_row_errors_inline: int = 100
    max_stream_suppliers: int = 250_000  # some 30 MB


def check_batch(batch: Activities, limits: BatchLimits, *, suppliers: str) -> None:
    """Raise InvalidBatch unless lengths, indices and strings are right; values are the engine's matter.

    `suppliers` is what its suppliers are called; they were checked.
    """
    if len(batch) > limits.max_rows:
        raise InvalidBatch("columns.quantity", len(batch), f"at most {limits.max_rows} rows", reason="LIMIT_EXCEEDED")
    _check_dictionaries(batch, limits)
    _check_columns(batch, suppliers)
    if batch.references:
        _check_length("references", len(batch.references), len(batch), "quantity")
        check_strings("columns.references", batch.references, limits.max_string_bytes)
    for number, (name, column) in enumerate(batch.inputs.items()):
        _check_input(f"inputs[{number}]", name, column, len(batch))


def check_rows(rows: pb.ActivityRows, limits: BatchLimits) -> None:
    """Raise InvalidBatch unless a batch of one message per row is within the limits; rows are checked one by one."""
    if len(rows.activities) > limits.max_rows:
        expected = f"at most {limits.max_rows} rows"
        raise InvalidBatch("rows.activities", len(rows.activities), expected, reason="LIMIT_EXCEEDED")
    check_malformed("rows", rows.malformed, len(rows.activities))


def check_malformed(form: str, cells: Sequence[pb.MalformedCell], rows: int) -> None:
    """Raise InvalidBatch unless the cells that the client could not read are in row order and within the rows."""
    before = 0
    for number, cell in enumerate(cells):
        field = f"{form}.malformed[{number}]"
        if not before <= cell.row < rows:
            expected = f"a row from {before} to {rows - 1}, in ascending order"
            raise InvalidBatch(f"{field}.row", cell.row, expected, reason="INDEX_OUT_OF_DICTIONARY")
        before = cell.row
        check_strings(field, (cell.field, cell.value, cell.expected), MAX_STRING_BYTES)


def _check_dictionaries(batch: Activities, limits: BatchLimits) -> None:
    for name in ("units", "factors", "groups"):
        check_dictionary(
            f"columns.{name}", getattr(batch, name), limits.max_dictionary_entries, limits.max_string_bytes
        )


def check_dictionary(field: str, strings: Sequence[str], most: int, max_bytes: int) -> None:
    """Raise InvalidBatch unless there are at most so many strings, and all can be stored."""
    if len(strings) > most:
        raise InvalidBatch(field, len(strings), f"at most {most} entries", reason="LIMIT_EXCEEDED")
    check_strings(field, strings, max_bytes)


def _check_columns(batch: Activities, suppliers: str) -> None:
    if not len(batch):
        _check_length("quantity", 0, len(batch.supplier), "supplier")
    for name in ("supplier", "category", "unit", "period", "method", "factor", "quality", "group"):
        column = getattr(batch, name)
        if column is not None:
            _check_length(name, len(column), len(batch), "quantity")
    _check_index("supplier", batch.supplier, suppliers, len(batch.suppliers))
    _check_index("unit", batch.unit, "units", len(batch.units))
    _check_index("factor", batch.factor, "factors", len(batch.factors))
    _check_index("group", batch.group, "groups", len(batch.groups))


def _check_length(name: str, length: int, expected: int, other: str) -> None:
    check_parallel(f"columns.{name}", length, expected, other)


def check_parallel(field: str, length: int, expected: int, other: str) -> None:
    """Raise InvalidBatch unless a column is as long as another."""
    if length != expected:
        text = f"{expected} values, as many as {other}"
        raise InvalidBatch(field, f"{length} values", text, reason="UNEQUAL_COLUMNS")


def _check_index(name: str, column: IndexArray | None, dictionary: str, entries: int) -> None:
    if column is not None:
        check_index(f"columns.{name}", column, dictionary, entries)


def check_index(field: str, column: IndexArray, dictionary: str, entries: int) -> None:
    """Raise InvalidBatch that names the first of the largest indices when it is beyond the dictionary."""
    if len(column) and (largest := int(column.max())) >= entries:
        row = int(np.argmax(column))
        expected = f"an index into {dictionary}, which has {entries} entries"
        raise InvalidBatch(f"{field}[{row}]", largest, expected, reason="INDEX_OUT_OF_DICTIONARY")


def _check_input(field: str, name: str, column: InputColumn, rows: int) -> None:
    check_strings(f"columns.{field}.name", (name,), MAX_STRING_BYTES)
    if not name:
        raise InvalidBatch(f"columns.{field}.name", "", "the name of an input", reason="REQUIRED_FIELD")
    if column.rows is None:
        _check_length(f"{field}.value", len(column.values), rows, "quantity")
        return
    _check_length(f"{field}.value", len(column.values), len(column.rows), f"{field}.row")
    _check_index(f"{field}.row", column.rows, "the rows", rows)
    falls = column.rows[1:] <= column.rows[:-1]
    if falls.any():
        at = int(np.argmax(falls)) + 1
        found, expected = column.rows[at], "rows in ascending order, each once"
        raise InvalidBatch(f"columns.{field}.row[{at}]", found, expected, reason="INDEX_OUT_OF_DICTIONARY")


def string_problem(text: str, max_bytes: int) -> tuple[str, str] | None:
    """Return what was expected and the reason when a text cannot be stored, else None."""
    if "\0" in text:
        return "a text without NUL characters", "MALFORMED_VALUE"
    if len(text) * 4 > max_bytes and len(text.encode()) > max_bytes:
        return f"at most {max_bytes} bytes", "LIMIT_EXCEEDED"
    return None


def are_storable(strings: Sequence[str], max_bytes: int) -> bool:
    """Whether all can be stored."""
    if len(strings) < FEW_STRINGS:
        return not any(string_problem(text, max_bytes) for text in strings)
    ends = np.flatnonzero(np.frombuffer("\0".join((*strings, "")).encode(), np.uint8) == 0)
    return len(ends) == len(strings) and bool(np.diff(ends, prepend=-1).max() <= max_bytes + 1)


def check_strings(field: str, strings: Sequence[str], max_bytes: int) -> None:
    """Raise InvalidBatch that names the first string which cannot be stored."""
    if are_storable(strings, max_bytes):
        return
    for number, string in enumerate(strings):
        if problem := string_problem(string, max_bytes):
            expected, reason = problem
            raise InvalidBatch(f"{field}[{number}]", string, expected, reason=reason)


class Problems:
    """The wrong fields of one request, collected so that the caller learns of all of them."""

    def __init__(self) -> None:
        self._found: list[FieldProblem] = []

    def add(self, field: str, value: object, expected: str, reason: str) -> None:
        """Note a wrong field."""
        self._found.append(FieldProblem(field, shown(value), expected, reason))

    def text(self, field: str, value: str, max_bytes: int, *, required: bool = False) -> None:
        """Note a text that is missing, too long, or cannot be stored."""
        if problem := string_problem(value, max_bytes):
            self.add(field, value, *problem)
        elif required and not value:
            self.add(field, value, "a text", "REQUIRED_FIELD")

    def request_id(self, value: str) -> None:
        """Note a request id that is not 1 to 128 printable ASCII characters."""
        if not value:
            self.add("request_id", value, "the client's id of this request", "REQUIRED_FIELD")
        elif len(value) > MAX_STRING_BYTES or not (value.isascii() and value.isprintable()):
            self.add("request_id", value, "1 to 128 printable ASCII characters", "MALFORMED_VALUE")

    def resource(self, field: str, name: str, collection: str) -> None:
        """Note a text that is not a resource name `collection/{number}`."""
        try:
            resource_id(name, collection, field)
        except InvalidField as error:
            self.add(field, name, error.problem.expected, error.reason)

    def check(self) -> None:
        """Raise InvalidFields when there is any problem."""
        if self._found:
            raise InvalidFields(self._found)


def resource_id(name: str, collection: str, field: str = "name") -> int:
    """Return the number in a resource name `collection/{number}`."""
    prefix, _, number = name.rpartition("/")
    if prefix != collection or not (number.isascii() and number.isdigit() and len(number) <= INT64_DIGITS):
        reason = "MALFORMED_VALUE" if name else "REQUIRED_FIELD"
        raise InvalidField(field, name, f"a name `{collection}/{{number}}`", reason=reason)
    return int(number)


def page_size(wanted: int, default: int, maximum: int) -> int:
    """Return the size of a page: the default for 0, never more than the maximum."""
    if wanted < 0:
        raise InvalidField("page_size", wanted, "0 or more", reason="OUT_OF_RANGE")
    return min(wanted or default, maximum)
