"""The sheet of the UK DESNZ flat file as activities: every figure that was published for one thing in one unit."""

import re
from dataclasses import dataclass, field

from vcci_server.importers.cells import finite_number
from vcci_server.importers.problems import Problems
from vcci_server.importers.xlsx_rows import read_sheet_rows

SHEET = "Factors by Category"
COLUMNS = ("ID", "Scope", "Level 1", "Level 2", "Level 3", "Level 4", "Column Text", "UOM", "GHG/Unit")
FACTOR_COLUMN = "GHG Conversion Factor"
_FACTOR_YEAR = re.compile(FACTOR_COLUMN + r" (\d{4})", re.ASCII)


@dataclass(slots=True)
class Activity:
    """The rows of one activity: their IDs are equal but for the last part, which tells the gas."""

    line: int  # of its first row
    row_id: str  # without the last part
    scope: str
    levels: tuple[str, ...]  # level 1 to 4 and the column text
    unit: str  # as published
    amounts: dict[str, float] = field(default_factory=dict)  # by GHG/Unit


@dataclass(frozen=True, slots=True)
class Sheet:
    """The activities of a year, and how many rows the publisher left without a number."""

    year: int
    activities: list[Activity]
    blank_rows: int


def read_sheet(data: bytes, problems: Problems) -> Sheet:
    """Return the sheet of a workbook; raise InvalidFactorFile when it is none."""
    rows = read_sheet_rows(data, SHEET, len(COLUMNS) + 1, problems)
    line, header = next(((line, row) for line, row in rows if row[0] == COLUMNS[0]), (1, None))
    if header is None:
        problems.fail(line, COLUMNS[0], "", "a header: " + ", ".join(COLUMNS))
    year = _year(line, header, problems)
    activities: dict[str, Activity] = {}
    blank_rows = 0
    for line, row in rows:
        if not row[0]:  # the last row has no ID: it says END
            continue
        if row[len(COLUMNS)] == "":
            blank_rows += 1
        else:
            _add(activities, line, row, problems)
    return Sheet(year, list(activities.values()), blank_rows)


def _year(line: int, header: list[str], problems: Problems) -> int:
    found = dict(enumerate(header))
    for index, column in enumerate(COLUMNS):
        if found.get(index) != column:
            problems.add(line, column, found.get(index, ""), f"{column} in column {index + 1}")
    last = found.get(len(COLUMNS), "")
    year = _FACTOR_YEAR.fullmatch(last)
    if year is None:
        problems.fail(line, FACTOR_COLUMN, last, f"{FACTOR_COLUMN} and its year in column {len(COLUMNS) + 1}")
    problems.raise_if_any()
    return int(year[1])


def _add(activities: dict[str, Activity], line: int, row: list[str], problems: Problems) -> None:
    row_id, scope, *levels, unit, gas, amount = row[: len(COLUMNS) + 1]
    activity_id = row_id.rpartition("_")[0]
    new = Activity(line, activity_id, scope, tuple(levels), unit)
    activity = activities.setdefault(activity_id, new)
    if (activity.scope, activity.levels, activity.unit) != (new.scope, new.levels, new.unit) or gas in activity.amounts:
        problems.add(line, "ID", row_id, f"an ID of its own; line {activity.line} has it for another activity")
    number = finite_number(amount)
    if number is None:
        problems.add(line, FACTOR_COLUMN, amount, "a finite number or nothing")
    activity.amounts[gas] = 0.0 if number is None else number
