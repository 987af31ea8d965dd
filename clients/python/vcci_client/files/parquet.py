"""Parquet files: columns from the disk to the wire."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from vcci_client.assemble import Chunk
from vcci_client.errors import FileProblem


class ParquetReader:
    """A Parquet file, read a row group at a time."""

    sparse = False

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = pa.parquet.ParquetFile(path, pre_buffer=False)
            schema = self._file.schema_arrow
            self.header: Sequence[str] = tuple(schema.names)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise FileProblem(f"{path.name} is not a Parquet file that can be read: {error}") from error
        self._nested = {field.name for field in schema if pa.types.is_nested(field.type)}
        self.total_rows: int | None = self._file.metadata.num_rows
        self._rows_read = 0

    def chunks(self, columns: Sequence[str], rows: int) -> Iterator[Chunk]:
        """Yield all rows."""
        for name in columns:
            if name in self._nested:
                raise FileProblem(f"{self._path.name}: the column {name!r} holds lists or structures, not values")
        try:
            for batch in self._file.iter_batches(rows, columns=list(columns), use_threads=False):
                batch.validate(full=True)  # texts are UTF-8 by what the file says, and not by themselves
                self._rows_read += batch.num_rows
                yield Chunk(dict(zip(batch.schema.names, batch.columns, strict=True)), batch.num_rows)
        except (pa.ArrowException, OSError) as error:
            raise FileProblem(f"{self._path.name}: {error}") from error

    def fraction_read(self) -> float | None:
        """Return how much was read, 0 to 1."""
        return self._rows_read / self.total_rows if self.total_rows else None

    def close(self) -> None:
        """Close the file."""
        self._file.close()
