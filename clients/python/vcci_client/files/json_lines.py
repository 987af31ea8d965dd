"""JSON Lines files: one object a line."""

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from vcci_client.activities import Unreadable
from vcci_client.assemble import Chunk, shortened
from vcci_client.errors import FileProblem
from vcci_client.files import objects
from vcci_client.files.texts import TextFile, check_text
from vcci_client.mapping import FileFormat

LINES_OF_HEADER = 1_000


class JsonLinesReader:
    """A JSON Lines file. Its columns are the names in the first 1,000 lines; empty lines are not rows."""

    sparse = True
    total_rows: int | None = None

    def __init__(self, path: Path, form: FileFormat) -> None:
        check_text(path, form.encoding)
        self._form = form
        self._file = TextFile(path)
        first = [row for row in islice(self._rows(), LINES_OF_HEADER) if isinstance(row, dict)]
        self.header: Sequence[str] = tuple(dict.fromkeys(name for row in first for name in row))
        if not self.header:
            raise FileProblem(f'{path.name} has no line that is an object, like {{"supplier_code": "S-1", …}}')

    def chunks(self, columns: Sequence[str], rows: int) -> Iterator[Chunk]:
        """Yield all rows; a line that is no object, or has an unknown name or a nested value, is unreadable."""
        known = frozenset((*columns, *self.header))
        return objects.chunks((objects.checked(row, known) for row in self._rows()), columns, rows)

    def fraction_read(self) -> float | None:
        """Return how much was read, 0 to 1."""
        return self._file.fraction_read()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _rows(self) -> Iterator[objects.Row]:
        for line in self._file.text(self._form.encoding):
            if text := line.strip():
                yield _row(text)


def _row(text: str) -> objects.Row:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        row = None
    return row if isinstance(row, dict) else Unreadable(0, "", shortened(text), "a JSON object")
