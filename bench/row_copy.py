"""The row store at its best: emissions as rows, 13 fixed-width columns, no index, binary COPY from a reused template.

Bare: nothing but the bytes of the rows and PostgreSQL.
"""

from collections.abc import Sequence
from datetime import date

import numpy as np
import numpy.typing as npt
from vcci_engine.segments import Segment, decode
from vcci_server.storage.pool import Connection

from bench.dataset import FIRST_YEAR
from bench.row_format import COLUMNS, DAYS_TO_2000, NAMES, RECORD, SIGNATURE, TABLE, TRAILER


async def create_table(
    connection: Connection, quarters: int, table: str = TABLE, further_columns: Sequence[str] = ()
) -> None:
    """Make a table, with a partition for each quarter."""
    columns = ", ".join([*(f'"{name}" {kind} NOT NULL' for name, kind, _ in COLUMNS), *further_columns])
    await connection.execute(f"CREATE TABLE {table} ({columns}) PARTITION BY RANGE (period)")
    for quarter in range(quarters):
        first, behind = _first_day(quarter), _first_day(quarter + 1)
        bounds = f"FROM ('{first}') TO ('{behind}')"
        await connection.execute(f"CREATE TABLE {table}_{quarter} PARTITION OF {table} FOR VALUES {bounds}")


class RowCopy:
    """One writer's template: a COPY stream whose lengths are in place, so that only values are written."""

    def __init__(self, rows: int) -> None:
        self._stream = bytearray(SIGNATURE + bytes(rows * RECORD.itemsize) + TRAILER)
        self._records = np.frombuffer(self._stream, RECORD, rows, offset=len(SIGNATURE))
        self._records["columns"] = len(COLUMNS)
        for name, _, kind in COLUMNS:
            self._records[f"{name}_length"] = np.dtype(kind).itemsize

    async def copy(self, connection: Connection, upload_id: int, offset: int, rows: "Rows", table: str = TABLE) -> None:
        """Store the rows in one transaction, under this upload and from this row number on."""
        records = self._records
        records["upload_id"] = upload_id
        np.add(rows["row"], offset, out=records["row"], casting="unsafe")
        for name in rows:
            if name != "row":
                records[name] = rows[name]
        await connection.copy_to_table(table, columns=NAMES, format="binary", source=self._stream)  # type: ignore[arg-type]


Rows = dict[str, npt.NDArray[np.generic]]


def rows_of(segments: Sequence[Segment]) -> Rows:
    """Return the emissions of a batch as columns of rows, sorted as the segments are: by quarter and supplier."""
    rows: Rows = {}
    for name, _, _ in COLUMNS:
        if name not in ("upload_id", "period"):
            rows[name] = np.concatenate([decode(name, segment.columns[name]) for segment in segments])
    days = [decode("period", segment.columns["period"]).astype(np.int32) + segment.quarter for segment in segments]
    return {**rows, "period": np.concatenate(days) - np.int32(DAYS_TO_2000)}


def _first_day(quarter: int) -> date:
    return date(FIRST_YEAR + quarter // 4, 3 * (quarter % 4) + 1, 1)
