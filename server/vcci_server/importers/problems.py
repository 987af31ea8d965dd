"""What is wrong with a factor file, line by line."""

from collections.abc import Sequence
from dataclasses import dataclass

MAX_PROBLEMS = 20
MAX_VALUE_CHARACTERS = 128


@dataclass(frozen=True, slots=True)
class Problem:
    """One wrong value."""

    line: int  # from 1, as an editor or a spreadsheet counts
    column: str  # "" is the whole line
    value: str
    expected: str

    def __str__(self) -> str:
        where = f"line {self.line}, column {self.column}" if self.column else f"line {self.line}"
        return f"{where}: expected {self.expected}, got {self.value!r}"


class FactorFileError(ValueError):
    """The factor file is not as its format requires."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class Problems:
    """Collects the problems of one file, so that a person can mend it in one go."""

    def __init__(self) -> None:
        self._found: list[Problem] = []

    def add(self, line: int, column: str, value: str, expected: str) -> None:
        """Note a problem; the last one that is worth collecting raises FactorFileError."""
        self._found.append(Problem(line, column, value[:MAX_VALUE_CHARACTERS], expected))
        if len(self._found) == MAX_PROBLEMS:
            self.raise_if_any()

    def raise_if_any(self) -> None:
        """Raise FactorFileError with all that was found."""
        if self._found:
            raise FactorFileError(self._found)
