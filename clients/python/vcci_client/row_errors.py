"""Rejected rows, counted and as a file."""

import csv
from collections import Counter
from pathlib import Path

from vcci.v1.error_pb2 import RowError

from vcci_client.errors import reason_name
from vcci_client.services.uploads import Uploads

COLUMNS = ("row", "reason", "field", "value", "expected", "reference")


def cells(error: RowError) -> tuple[str, ...]:
    """Return a row error as the cells of COLUMNS."""
    return (str(error.row), reason_name(error.reason), error.field, error.value, error.expected, error.reference)


async def count_by_reason(client: Uploads, upload: str) -> Counter[tuple[str, str]]:
    """Count an upload's rejected rows by reason and field."""
    return Counter([(reason_name(error.reason), error.field) async for error in client.list_row_errors(upload)])


async def write_csv(client: Uploads, upload: str, path: Path) -> int:
    """Write all rejected rows of an upload as CSV; return how many there are."""
    number = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        async for error in client.list_row_errors(upload):
            writer.writerow(cells(error))
            number += 1
    return number
