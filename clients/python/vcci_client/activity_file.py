"""A file of activities: what it is mapped by, its rows in batches, and what it is known by to the server."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from vcci_client.activities import Activities
from vcci_client.assemble import Assembler, Chunk
from vcci_client.fields import FIELDS
from vcci_client.files import open_reader
from vcci_client.mapping import FileFormat, Mapping, native_mapping
from vcci_client.read_ahead import ReadAhead

HASH_BYTES = 1 << 20
CHUNKS_AHEAD = 4
BATCHES_AHEAD = 2


class ActivityFile:
    """An open file of activities; nothing of it is kept in memory but the batches under way."""

    def __init__(self, path: Path, mapping: Mapping | None = None) -> None:
        self.path = path
        self._chunks: ReadAhead[Chunk] | None = None
        self._batches: ReadAhead[Activities] | None = None
        self._reader = open_reader(path, mapping.format if mapping else FileFormat())
        try:
            self.mapping = mapping or native_mapping(self._reader.header, path.name)
            self.mapping.check(self._reader.header, path.name)
        except BaseException:
            self._reader.close()
            raise
        if mapping is None and self._reader.sparse:
            self.mapping = native_mapping(FIELDS, path.name)

    def __enter__(self) -> "ActivityFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._batches:
            self._batches.close()
        if self._chunks:
            self._chunks.close()
        self._reader.close()

    @property
    def total_rows(self) -> int | None:
        """How many rows the file has, where it says so."""
        return self._reader.total_rows

    def fraction_read(self) -> float | None:
        """Return how much was read, 0 to 1; None when that is not known."""
        return self._reader.fraction_read()

    def begin(self, rows: int) -> None:
        """Begin to read, for batches of about `rows` rows, some of them ahead; at most once, and before `batches`."""
        self._chunks = ReadAhead(self._reader.chunks(self.mapping.columns, rows), CHUNKS_AHEAD)
        self._batches = ReadAhead(map(Assembler(self.mapping).activities, self._chunks), BATCHES_AHEAD)

    def batches(self, rows: int) -> Iterator[Activities]:
        """Yield all rows in their order, at most `rows` a batch. Once."""
        if self._batches is None:
            self.begin(rows)
        assert self._batches is not None
        for batch in self._batches:
            for start in range(0, len(batch), rows):
                yield batch.slice(start, min(start + rows, len(batch)))

    def fingerprint(self, *options: object) -> str:
        """Return the same text for the same contents, mapping and options."""
        digest = hashlib.sha256(json.dumps([self.mapping.identity, *options]).encode())
        with self.path.open("rb") as contents:
            while block := contents.read(HASH_BYTES):
                digest.update(block)
        return f"file-{digest.hexdigest()[:40]}"
