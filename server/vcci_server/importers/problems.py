"""Collects what is wrong with a file of factors or prices, so that a person can mend it in one go."""

from collections.abc import Callable
from typing import NoReturn

from vcci_engine.errors import FieldProblem, InvalidFactorFile, InvalidFields, shown

MAX_PROBLEMS = 20


def line_and_column(line: int, column: str) -> str:
    """Return what a place in a file is called."""
    return f"line {line}, column {column}" if column else f"line {line}"


class Problems:
    """The problems of one file, at most MAX_PROBLEMS; lines count from 1, as an editor or a spreadsheet does.

    `place` calls a line and column what the caller who has to mend them does; column "" is the whole line.
    """

    def __init__(
        self, place: Callable[[int, str], str] = line_and_column, *, error: type[InvalidFields] = InvalidFactorFile
    ) -> None:
        self.place = place
        self._error = error
        self._found: list[FieldProblem] = []

    def add(self, line: int, column: str, value: str, expected: str) -> None:
        """Note a problem; column "" is the whole line. The last one worth collecting raises the error."""
        self._found.append(FieldProblem(self.place(line, column), shown(value), expected, self._error.reason))
        if len(self._found) == MAX_PROBLEMS:
            raise self._error(self._found)

    def fail(self, line: int, column: str, value: str, expected: str) -> NoReturn:
        """Raise the error with this problem and all that was found: what follows cannot be read."""
        self.add(line, column, value, expected)
        raise self._error(self._found)

    def raise_if_any(self) -> None:
        """Raise the error with all that was found."""
        if self._found:
            raise self._error(self._found)
