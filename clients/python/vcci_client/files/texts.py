"""Text files, plain or compressed: their stream, and what is wrong with a file as a whole, before any row is sent."""

import codecs
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, TextIO

import numpy as np
import pyarrow as pa

from vcci_client.errors import FileProblem

CHUNK_BYTES = 1 << 20
_CODECS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}


class TextFile:
    """A text file that is read from its beginning, some times over; it is known how much was read the last time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._size = max(path.stat().st_size, 1)
        self._raw: BinaryIO | None = None

    def stream(self) -> pa.NativeFile:
        """Return the file's bytes from the beginning, decompressed."""
        self.close()
        self._raw = self.path.open("rb")
        codec = _CODECS.get(self.path.suffix.lower())
        return pa.CompressedInputStream(self._raw, codec) if codec else pa.PythonFile(self._raw, "r")

    def text(self, encoding: str) -> TextIO:
        """Return the file as text from the beginning, its lines' ends as they are."""
        return io.TextIOWrapper(self.stream(), decoder_name(encoding), newline="")

    def fraction_read(self) -> float | None:
        """Return how much was read, 0 to 1."""
        return min(self._raw.tell() / self._size, 1.0) if self._raw and not self._raw.closed else 1.0

    def close(self) -> None:
        """Close the file."""
        if self._raw:
            self._raw.close()


def decoder_name(encoding: str) -> str:
    """Return the codec of an encoding; a byte order mark at the beginning is not text."""
    return "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding


def blocks(stream: pa.NativeFile) -> Iterator[bytes]:
    """Yield a stream's bytes."""
    while block := stream.read(CHUNK_BYTES):
        yield block


def _count(block: bytes, byte: bytes) -> int:
    """Count a byte; bytes.count takes ten times as long where there are many."""
    return int(np.count_nonzero(np.frombuffer(block, np.uint8) == byte[0]))


def check_text(path: Path, encoding: str) -> bool:
    """Raise FileProblem unless the whole file is text of this encoding; return whether its quotes come in pairs."""
    file = TextFile(path)
    quotes, line = 0, 1
    try:
        decoder = codecs.getincrementaldecoder(encoding)()
        for block in blocks(file.stream()):
            quotes += _count(block, b'"')
            decoder.decode(block)
            line += _count(block, b"\n")
        decoder.decode(b"", final=True)
    except LookupError:
        raise FileProblem(f"{encoding!r} is not an encoding that is known; for example utf-8, cp1252, utf-16") from None
    except UnicodeDecodeError as error:
        found = error.object[error.start : error.start + 1].hex()
        line += error.object[: error.start].count(b"\n")
        raise FileProblem(
            f"{path.name} is not {encoding}: byte 0x{found} in line {line:,}. When it was saved by an old "
            'spreadsheet, say encoding = "cp1252" under [file] of a mapping (--map).'
        ) from None
    except (OSError, pa.ArrowException) as error:  # it is cut off, say, or not compressed as its name says
        raise FileProblem(f"{path.name} cannot be read: {error}") from error
    finally:
        file.close()
    return quotes % 2 == 0


def named(header: Sequence[str], path: Path, line: int) -> list[str]:
    """Return the columns' names, those without one by their number; raise FileProblem when none has one."""
    if not any(header):
        raise FileProblem(f"{path.name} has no column names in line {line}")
    return [name or f"column {number}" for number, name in enumerate(header, 1)]
