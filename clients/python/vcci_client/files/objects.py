"""Cells that come as Python objects, a row at a time, as columns."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import islice

import pyarrow as pa

from vcci_client.activities import Unreadable
from vcci_client.assemble import Chunk, shortened
from vcci_client.cells import cell_text

PLAIN = (str, int, float, Decimal, date, datetime, type(None))

Row = Mapping[str, object] | Unreadable  # an Unreadable is a row that is wrong as a whole


def chunks(rows: Iterable[Row], columns: Sequence[str], size: int) -> Iterator[Chunk]:
    """Yield the rows in chunks of `size`; a column that a row lacks is an empty cell."""
    source = iter(rows)
    while batch := list(islice(source, size)):
        yield chunk(batch, columns)


def chunk(rows: Sequence[Row], columns: Sequence[str]) -> Chunk:
    """Return some rows as columns."""
    unreadable = [row._replace(row=number) for number, row in enumerate(rows) if isinstance(row, Unreadable)]
    cells = [{} if isinstance(row, Unreadable) else row for row in rows]
    arrays = {name: column([row.get(name) for row in cells]) for name in columns}
    return Chunk(arrays, len(rows), tuple(unreadable))


def column(values: Sequence[object]) -> pa.Array:
    """Return the values as one array: of their type when they have one, else of their texts."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        return pa.array([None if value is None else cell_text(value) for value in values], pa.string())


def checked(row: Row, known: Collection[str]) -> Row:
    """Return the row, or its first cell that no column is for, or that is not plain: no row is read in part."""
    if isinstance(row, Unreadable):
        return row
    for name, value in row.items():
        if name not in known:
            return Unreadable(0, shortened(name), shortened(str(value)), "a column that the others have")
        if not isinstance(value, PLAIN) or isinstance(value, bool):
            return Unreadable(0, shortened(name), shortened(str(value)), "a text or a number")
    return row
