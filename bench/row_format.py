"""Emissions as rows of fixed width, and their bytes in a binary COPY. NumPy alone: peers in environments of their own
share it.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

TABLE = "emission_rows"
DAYS_TO_2000 = 10_957  # PostgreSQL counts days from 2000-01-01, we from 1970-01-01
SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

# Name, SQL type, big-endian type on the wire; the widest first, so that PostgreSQL pads nothing.
COLUMNS = (
    ("upload_id", "bigint", ">i8"),
    ("row", "bigint", ">i8"),
    ("quantity", "double precision", ">f8"),
    ("kg_co2e", "double precision", ">f8"),
    ("supplier", "integer", ">i4"),
    ("period", "date", ">i4"),
    ("factor", "integer", ">i4"),
    ("sigma", "real", ">f4"),
    ("category", "smallint", ">i2"),
    ("method", "smallint", ">i2"),
    ("unit", "smallint", ">i2"),
    ("quality", "smallint", ">i2"),
    ("notices", "smallint", ">i2"),
)
NAMES = [name for name, _, _ in COLUMNS]
RECORD = np.dtype(
    [("columns", ">i2"), *(field for name, _, kind in COLUMNS for field in ((f"{name}_length", ">i4"), (name, kind)))]
)


def encoded(upload_id: int, offset: int, columns: Mapping[str, npt.NDArray[np.generic]]) -> bytes:
    """Return the rows as PostgreSQL takes them."""
    records = np.empty(len(columns["period"]), RECORD)
    records["columns"] = len(COLUMNS)
    for name, _, kind in COLUMNS:
        records[f"{name}_length"] = np.dtype(kind).itemsize
    records["upload_id"] = upload_id
    records["row"] = np.arange(offset, offset + len(records))
    for name, values in columns.items():
        records[name] = values
    records["period"] -= DAYS_TO_2000
    return SIGNATURE + records.tobytes() + TRAILER
