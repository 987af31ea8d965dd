"""Serves like `python -m vcci_server`, kills itself at moments that no caller could hit, or is broken on purpose.

Armed by a file in the folder CHAOS_FOLDER, which holds one of these words and is taken away when it acts:

before_copy     nothing is copied
after_copy      the segments are copied, and the ledger has not moved
after_commit    it is committed, and not acknowledged

CHAOS_SABOTAGE names a fault to build in; the checkers must find each of them.
"""

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from vcci_server import __main__, emission_stream, uploads
from vcci_server.storage import folding, ingest, pool
from vcci_server.storage.copy import SegmentRow

MOMENTS = ("before_copy", "after_copy", "after_commit")
ARMED = "armed"
PROMISED_FROM = 4_000  # row
FORGOTTEN_ROWS = 3_000  # more than a writer has under way


def main() -> None:
    """Build the fault in, if any, make the moments deadly, and serve."""
    if sabotage := os.environ.get("CHAOS_SABOTAGE"):
        SABOTAGES[sabotage]()
    _make_deadly(ingest, "copy_segments", "before_copy", "after_copy")
    _make_deadly(uploads, "commit_batches", "", "after_commit")
    __main__.main()


def _make_deadly(module: ModuleType, name: str, before: str, after: str) -> None:
    """Make a function kill the process before or after it has done its work, when that moment is armed."""
    function = getattr(module, name)

    async def deadly(*args: Any, **kwargs: Any) -> Any:
        moment = _take(before, after)
        if moment == before:
            os.kill(os.getpid(), signal.SIGKILL)
        result = await function(*args, **kwargs)
        if moment == after:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(module, name, deadly)


def _take(*moments: str) -> str | None:
    armed = Path(os.environ["CHAOS_FOLDER"], ARMED)
    try:
        moment = armed.read_text()
    except FileNotFoundError:
        return None
    if moment not in moments:
        return None
    armed.unlink()
    return moment


def arm(folder: Path, moment: str) -> None:
    """Arm the server that has this folder."""
    new = folder / "arming"
    new.write_text(moment)
    new.rename(folder / ARMED)


def _replace(owner: object, name: str, make: Callable[[Any], Any]) -> Callable[[], None]:
    """Return what puts another function into the place of one, made of it."""
    return lambda: setattr(owner, name, make(getattr(owner, name)))


def _lose(copy: Any) -> Any:
    """The first segment of each transaction is not stored, though it is counted."""

    async def losing(db: Any, rows: Sequence[SegmentRow]) -> None:
        if len(rows) > 1:
            await copy(db, rows[1:])

    return losing


def _double(copy: Any) -> Any:
    """Every segment is stored under two numbers."""

    async def doubling(db: Any, rows: Sequence[SegmentRow]) -> None:
        await copy(db, [*rows, *(replace(row, number=row.number + 500) for row in rows)])

    return doubling


def _promise(commit: Any) -> Any:
    """The last batches are acknowledged, and not stored."""

    async def promising(self: Any, batches: Sequence[Any], after: Any) -> None:
        if batches[0].offset < PROMISED_FROM:
            await commit(self, batches, after)
        else:
            self.committed_through = batches[-1].offset + batches[-1].rows

    return promising


def _go_back(opened: Any) -> Any:
    """A writer is told an older offset than the one before was."""

    def lying(self: Any, writer: Any, credits: int) -> Any:
        answer = opened(self, writer, credits)
        answer.committed_through = max(0, answer.committed_through - FORGOTTEN_ROWS)
        return answer

    return lying


def _mix(pages: Any) -> Any:
    """Who reads everything sees the emissions of the first tenant, in the database's eyes too."""

    def mixing(self: Any, given: Any, *args: Any) -> Any:
        self._tenant_id = self._tenant_id if given.upload else 1
        pool.bind_tenant(self._tenant_id)
        return pages(self, given, *args)

    return mixing


def _miscount(add: Any) -> Any:
    """What is folded is counted twice."""

    async def adding(*args: Any) -> None:
        await add(*args)
        await add(*args)

    return adding


SABOTAGES = {
    "lose": _replace(ingest, "copy_segments", _lose),
    "double": _replace(ingest, "copy_segments", _double),
    "promise": _replace(uploads.UploadWriter, "commit", _promise),
    "go_back": _replace(uploads.UploadServicer, "_opened", _go_back),
    "mix": _replace(emission_stream.EmissionReader, "pages", _mix),
    "miscount": _replace(folding, "_add", _miscount),
}

if __name__ == "__main__":
    main()
