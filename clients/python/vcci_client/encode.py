"""Activities as the bytes of an AppendActivitiesRequest or CalculateStreamRequest.

The fast form is columns, written through a private twin (vcci/columns.py): a column's array is its bytes on the wire.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from google.type.date_pb2 import Date
from vcci import columns as twins
from vcci.v1 import activity_pb2 as pb
from vcci.v1.upload_service_pb2 import AppendActivitiesRequest

from vcci_client.activities import Activities, Dictionary, IndexArray
from vcci_client.fields import SCORES
from vcci_client.supplier_book import SupplierBook

MAX_BATCH_BYTES = 4 << 20  # beyond, a message is no faster
CACHED = 65_536  # different dates and qualities: a batch has few


class Form(StrEnum):
    """How rows travel: as columns, or as a message per row, which costs a hundred times more."""

    COLUMNS = "columns"
    ROWS = "rows"


@dataclass(frozen=True, slots=True)
class EncodedBatch:
    """An Append request, ready to be sent: rows [offset, offset + rows) of the upload.

    Where it counts suppliers of the stream, that must have the first `pages` of the book before.
    """

    offset: int
    rows: int
    request: bytes
    book: SupplierBook | None = None
    pages: int = 0

    @property
    def end(self) -> int:
        """Offset of the row behind the batch."""
        return self.offset + self.rows


def encode(
    activities: Activities,
    offset: int,
    *,
    form: Form = Form.COLUMNS,
    all_or_nothing: bool = False,
    max_bytes: int = MAX_BATCH_BYTES,
    book: SupplierBook | None = None,
) -> list[EncodedBatch]:
    """Encode the activities as one batch, or as several when one would be larger than `max_bytes`.

    Columns count the suppliers of the book, where there is one; else the batch brings its own.
    """
    rows = len(activities)
    request = twins.AppendActivitiesRequest() if form is Form.COLUMNS else AppendActivitiesRequest()
    append = request.append
    append.offset = offset
    append.all_or_nothing = all_or_nothing
    if form is Form.COLUMNS:
        fill_columns(append.columns, activities, book)
        append.crc32c = twins.checksum(append.columns)
    else:
        append.rows.CopyFrom(rows_message(activities))
    data: bytes = request.SerializeToString()
    if len(data) <= max_bytes or rows <= 1:
        return [EncodedBatch(offset, rows, data, book, len(book.pages) if book else 0)]
    half = rows // 2
    parts = (activities.slice(0, half), offset), (activities.slice(half, rows), offset + half)
    return [
        batch
        for part, start in parts
        for batch in encode(part, start, form=form, all_or_nothing=all_or_nothing, max_bytes=max_bytes, book=book)
    ]


def calculate_request(activities: Activities, **options: object) -> bytes:
    """Return a CalculateStreamRequest of the activities as columns, with its other fields."""
    request = twins.CalculateStreamRequest(**options)
    fill_columns(request.columns, activities)
    request.crc32c = twins.checksum(request.columns)
    return bytes(request.SerializeToString())


def fill_columns(message: Any, activities: Activities, book: SupplierBook | None = None) -> None:
    """Fill a twin of ActivityColumns, with suppliers of its own or, where there is a book, with those of the stream."""
    if book is None:
        activities = activities.with_used_suppliers()
        message.supplier_codes.extend(activities.supplier.entries)
        message.supplier_names.extend(activities.names)
        message.supplier_countries.extend(activities.countries)
        message.supplier = _u4(activities.supplier.index)
    else:
        message.supplier = _u4(book.rows(activities))
    message.category = _u4(activities.category)
    message.quantity = twins.pack(activities.quantity, "<f8")
    message.period = twins.pack(activities.period, "<i4")
    if activities.method is not None:
        message.method = _u4(activities.method)
    if activities.quality is not None:
        message.quality = _u4(activities.quality)
    _fill_dictionary(message, "units", "unit", activities.unit)
    _fill_dictionary(message, "factors", "factor", activities.factor)
    _fill_dictionary(message, "groups", "group", activities.group)
    message.references.extend(activities.references)
    for name, column in sorted(activities.inputs.items()):
        rows = b"" if column.rows is None else _u4(column.rows)
        message.inputs.add(name=name, value=twins.pack(column.values, "<f8"), row=rows)
    message.malformed.extend(pb.MalformedCell(**cell._asdict()) for cell in activities.unreadable)


def _fill_dictionary(message: Any, entries: str, index: str, column: Dictionary | None) -> None:
    if column is not None:
        getattr(message, entries).extend(column.entries)
        setattr(message, index, _u4(column.index))


def _u4(values: npt.ArrayLike) -> bytes:
    return twins.pack(values, "<u4")


def rows_message(activities: Activities) -> pb.ActivityRows:
    """Return the activities as one message per row."""
    rows = len(activities)
    message = pb.ActivityRows()
    columns = zip(
        activities.supplier.index.tolist(),
        _numbers(activities.category, rows),
        _numbers(activities.method, rows),
        activities.quantity.tolist(),
        _texts(activities.unit, rows),
        _texts(activities.factor, rows),
        [_date(day) for day in activities.period.tolist()],
        [_quality(scores) for scores in _numbers(activities.quality, rows)],
        _texts(activities.group, rows),
        activities.references or [""] * rows,
        strict=True,
    )
    for supplier, category, method, quantity, unit, factor, period, quality, group, reference in columns:
        message.activities.add(
            supplier_code=activities.supplier.entries[supplier],
            supplier_name=activities.names[supplier] if activities.names else "",
            country=activities.countries[supplier] if activities.countries else "",
            category=pb.Category.ValueType(category),
            method=pb.Method.ValueType(method),
            quantity=quantity,
            unit=unit,
            factor=factor,
            reporting_period=period,
            quality=quality,
            group=group,
            reference=reference,
        )
    _fill_inputs(message, activities)
    message.malformed.extend(pb.MalformedCell(**cell._asdict()) for cell in activities.unreadable)
    return message


def _fill_inputs(message: pb.ActivityRows, activities: Activities) -> None:
    for name, column in activities.inputs.items():
        rows = range(len(activities)) if column.rows is None else column.rows.tolist()
        for row, value in zip(rows, column.values.tolist(), strict=True):
            message.activities[row].inputs[name] = value


def _numbers(column: IndexArray | None, rows: int) -> list[int]:
    """Return a column as integers that an enum of the contract can hold: 2^32 - 1 is -1."""
    return [0] * rows if column is None else column.view(np.int32).tolist()


def _texts(column: Dictionary | None, rows: int) -> list[str]:
    return [""] * rows if column is None else [column.entries[entry] for entry in column.index.tolist()]


@lru_cache(maxsize=CACHED)
def _date(day: int) -> Date:
    found = date.fromordinal(date(1970, 1, 1).toordinal() + day)
    return Date(year=found.year, month=found.month, day=found.day)


@lru_cache(maxsize=CACHED)
def _quality(scores: int) -> pb.Quality | None:
    if not scores:
        return None
    return pb.Quality(**{name: scores >> shift & 15 for name, shift in zip(SCORES, (16, 12, 8, 4, 0), strict=True)})
