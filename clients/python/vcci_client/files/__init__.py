"""Files of activities, read as streams: CSV, JSON Lines, XLSX and Parquet."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from vcci_client.assemble import Chunk
from vcci_client.errors import FileProblem
from vcci_client.mapping import FileFormat

DELIMITED = {".csv": "", ".tsv": "\t", ".txt": ""}  # "": the delimiter that the format says
JSON_LINES = (".jsonl", ".ndjson")
WORKBOOKS = (".xlsx", ".xlsm")
PARQUET = (".parquet", ".pq")
COMPRESSED = (".gz", ".bz2", ".zst", ".lz4")  # of texts only


class Reader(Protocol):
    """An open file. Rows are numbered from 0 in its order; none is left out but empty lines."""

    header: Sequence[str]  # the columns
    sparse: bool  # whether rows may lack columns and have others
    total_rows: int | None  # None: not known before the end

    def chunks(self, columns: Sequence[str], rows: int) -> Iterator[Chunk]:
        """Yield all rows, at most `rows` a chunk; only these columns. Once."""
        ...

    def fraction_read(self) -> float | None:
        """Return how much of the file was read, 0 to 1; None when that is not known."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


def open_reader(path: Path, form: FileFormat) -> Reader:
    """Open a file by the ending of its name; raise FileProblem when it is not what the ending says.

    Each kind's module is imported when a file is of that kind: openpyxl alone takes as long as a small upload.
    """
    if not path.is_file():
        raise FileProblem(f"{path} is not a file")
    ending = kind_of(path)
    if ending in DELIMITED:
        from vcci_client.files.delimited import DelimitedReader

        return DelimitedReader(path, form, DELIMITED[ending] or form.delimiter)
    if ending in JSON_LINES:
        from vcci_client.files.json_lines import JsonLinesReader

        return JsonLinesReader(path, form)
    if ending in WORKBOOKS:
        from vcci_client.files.workbook import WorkbookReader

        return WorkbookReader(path, form)
    if ending in PARQUET:
        from vcci_client.files.parquet import ParquetReader

        return ParquetReader(path)
    known = ", ".join((*DELIMITED, *JSON_LINES, *WORKBOOKS, *PARQUET))
    raise FileProblem(f"{path.name} is none of the kinds of file that can be read: {known}")


def kind_of(path: Path) -> str:
    """Return the ending that says what a file is, without that of its compression."""
    name = path.with_suffix("") if path.suffix.lower() in COMPRESSED else path
    return name.suffix.lower()
