"""Sets a report's pages: from the document on standard input to the PDF on standard output, as a process of its own.

What typst keeps of pages that it has set (0.12 MB for a row of ten cells) it keeps for good: it goes with the process.
"""

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.resources import files
from tempfile import TemporaryFile
from typing import IO

import typst
from vcci_engine.errors import Overloaded

TAGGED = "--tagged"
LOOK_S = 0.2  # how often a work looks up whether it is to end
TEMPLATE = (files("vcci_server.report") / "report.typ").read_bytes()


def set_pages(document: str, *, tagged: bool) -> bytes:
    """Return the PDF of a document; raise Overloaded when the process ends before it."""
    command = (sys.executable, "-m", __name__, *([TAGGED] if tagged else []))
    with TemporaryFile() as given, TemporaryFile() as pages:
        given.write(document.encode())
        given.seek(0)
        status = _run(command, given, pages)
        if status:
            raise Overloaded(f"the report's pages could not be set (status {status}): list fewer suppliers")
        pages.seek(0)
        return pages.read()


def _run(command: Sequence[str], stdin: IO[bytes], stdout: IO[bytes]) -> int:
    """Return the status of a process; where this work is interrupted, end it."""
    process = subprocess.Popen(command, stdin=stdin, stdout=stdout)  # noqa: S603  our own
    try:
        while True:
            with suppress(subprocess.TimeoutExpired):
                return process.wait(LOOK_S)
    finally:
        process.kill()  # where it has ended, this does nothing
        process.wait()


def main() -> None:
    """Read a document, write its PDF."""
    document = sys.stdin.buffer.read().decode()
    file = typst.compile(TEMPLATE, format="pdf", sys_inputs={"report": document}, pdf_tags=TAGGED in sys.argv)
    assert isinstance(file, bytes)  # one file, for all pages
    sys.stdout.buffer.write(file)


if __name__ == "__main__":
    main()
