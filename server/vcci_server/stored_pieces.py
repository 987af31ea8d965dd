"""Some rows of segments, and their columns: pure functions, for a thread."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from vcci_engine.activities import FloatArray, Positions
from vcci_engine.segments import decode_inputs, decode_strings

from vcci_server.storage.reading import Filter, StoredSegment, selected


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows of a segment."""

    segment: StoredSegment
    rows: Positions

    def column(self, name: str) -> npt.NDArray[Any]:
        """Return the rows' values of a fixed-width column."""
        column = self.segment.column(name)
        return column if len(self.rows) == len(column) else column[self.rows]

    def strings(self, name: str) -> list[str]:
        """Return the rows' strings, empty ones where the segment has none."""
        if self.segment.columns[name] is None:
            return [""] * len(self.rows)
        strings = decode_strings(self.segment.columns[name], self.segment.n)
        return [strings[row] for row in self.rows.tolist()]


def pieces_of(segments: Sequence[StoredSegment], chosen: Filter) -> list[Piece]:
    """Return the rows of a filter."""
    masks = [selected(segment, chosen) for segment in segments]
    return [
        Piece(segment, np.arange(segment.n) if mask is None else np.flatnonzero(mask))
        for segment, mask in zip(segments, masks, strict=True)
    ]


Part = list[Piece]  # what goes into one message; the next goes on behind its last segment


def joined(pieces: Sequence[Piece], name: str) -> npt.NDArray[Any]:
    """Return a column of all pieces, one behind the other."""
    return np.concatenate([piece.column(name) for piece in pieces])


def inputs_of(pieces: Sequence[Piece]) -> dict[str, tuple[Positions, FloatArray]]:
    """Return each input: which rows of all pieces have it, and their values."""
    found: dict[str, list[tuple[Positions, FloatArray]]] = {}
    start = 0
    for piece in pieces:
        for name, rows, values in _inputs_of(piece):
            found.setdefault(name, []).append((start + rows, values))
        start += len(piece.rows)
    return {
        name: (np.concatenate([rows for rows, _ in given]), np.concatenate([values for _, values in given]))
        for name, given in found.items()
    }


def _inputs_of(piece: Piece) -> Iterator[tuple[str, Positions, npt.NDArray[np.float64]]]:
    """Yield each input: its name, which of the piece's rows have it, and their values."""
    n = piece.segment.n
    for name, column in decode_inputs(piece.segment.columns["inputs"], n).items():
        values = np.full(n, np.nan)
        values[slice(None) if column.rows is None else column.rows] = column.values
        chosen = values[piece.rows]
        rows = np.flatnonzero(~np.isnan(chosen))
        if len(rows):
            yield name, rows, chosen[rows]
