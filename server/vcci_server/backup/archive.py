"""The archive: a ZIP file with one member per table, a binary COPY stream, and `manifest.json` at its end."""

import asyncio
import json
import os
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO

from vcci_engine.errors import WrongState

FORMAT = "vcci backup 1"
MANIFEST = "manifest.json"
CHUNK_BYTES = 1 << 20  # in memory at a time
FASTEST = 1  # level of deflate: half of the size, at the speed of a disk


@dataclass(frozen=True, slots=True)
class Part:
    """A table's rows, as they are in the archive."""

    table: str
    columns: list[str]
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive holds, and what a database must have before it is restored into."""

    format: str
    tenant: str | None  # whose data it is; None: of everybody
    tenant_id: int | None
    taken_at: str  # of the snapshot
    server_version: str  # of PostgreSQL
    migrations: list[str]
    quarters: list[str]  # whose partitions there must be
    months: list[str]
    sequences: list[tuple[str, str, int]]  # table, column, the last number given
    parts: list[Part]


class Writer:
    """Writes an archive; what is written of a table goes through a buffer, and to the disk in a thread."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file

    @asynccontextmanager
    async def table(self, name: str) -> AsyncIterator["Stream"]:
        """Begin a table; it is closed at the end of the body."""
        with self._file.open(_member(name), "w", force_zip64=True) as member:
            stream = Stream(member)
            yield stream
            await stream.flush()

    def close(self, manifest: Manifest) -> None:
        """Write the manifest."""
        self._file.writestr(MANIFEST, json.dumps(asdict(manifest), indent=1))


class Stream:
    """A member that is being written."""

    def __init__(self, member: IO[bytes]) -> None:
        self._member = member
        self._buffer = bytearray()
        self._digest = sha256()
        self.bytes = 0

    @property
    def sha256(self) -> str:
        """The hash of what was written."""
        return self._digest.hexdigest()

    async def write(self, data: bytes) -> None:
        """Add bytes."""
        self._buffer += data
        if len(self._buffer) >= CHUNK_BYTES:
            await self.flush()

    async def flush(self) -> None:
        """Write what is in the buffer."""
        whole, self._buffer = self._buffer, bytearray()
        await asyncio.to_thread(self._put, whole)

    def _put(self, data: bytearray) -> None:
        self._digest.update(data)
        self._member.write(data)
        self.bytes += len(data)


@contextmanager
def new_archive(path: Path) -> Iterator[Writer]:
    """Write a file that only its owner can read; it has its name once it is complete."""
    if path.exists():
        raise WrongState(f"{path} exists already")
    part = path.with_name(f"{path.name}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=FASTEST) as zipped:
                yield Writer(zipped)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)


class Reader:
    """Reads an archive; every table's bytes are compared with its hash."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file
        self.manifest = _manifest(json.loads(file.read(MANIFEST)))

    async def chunks(self, part: Part) -> AsyncIterator[bytes]:
        """Yield a table's bytes; raise WrongState at the end when they are not what was written."""
        digest = sha256()
        with self._file.open(_member(part.table)) as member:
            while chunk := await asyncio.to_thread(_read, member):
                digest.update(chunk)
                yield chunk
        if digest.hexdigest() != part.sha256:
            raise WrongState(f"the archive is damaged: {_member(part.table)} does not have the hash of the manifest")


@contextmanager
def opened_archive(path: Path) -> Iterator[Reader]:
    """Open a file; raise WrongState when it is no archive."""
    try:
        with zipfile.ZipFile(path) as file:
            yield Reader(file)
    except FileNotFoundError as error:
        raise WrongState(f"there is no file {path}") from error
    except (zipfile.BadZipFile, KeyError, TypeError, json.JSONDecodeError) as error:
        raise WrongState(f"{path} is not an archive of `vcci backup`, or not a whole one") from error


def _manifest(told: dict[str, object]) -> Manifest:
    if told.get("format") != FORMAT:
        raise WrongState(f"the archive's format is {told.get('format')!r}, this version of vcci reads {FORMAT!r}")
    parts: list[Part] = [Part(**part) for part in told.pop("parts")]  # type: ignore[attr-defined]
    return Manifest(**told, parts=parts)  # type: ignore[arg-type]


def _member(table: str) -> str:
    return f"tables/{table}.copy"


def _read(member: IO[bytes]) -> bytes:
    try:
        return member.read(CHUNK_BYTES)
    except zipfile.BadZipFile as error:
        raise WrongState(f"the archive is damaged: {error}") from error
