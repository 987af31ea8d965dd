"""The report model: pure data that every format is written from."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Literal, TypeAlias

CellKind: TypeAlias = Literal["text", "count", "tonnes", "share", "number", "date"]
Cell: TypeAlias = str | int | float | date | None  # None: there is no such value


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; `tonnes` are t CO2e, a `share` of 0.1 is ten per cent."""

    name: str  # for programs
    title: str  # for people
    kind: CellKind = "text"


@dataclass(frozen=True, slots=True)
class Table:
    """A table: `rows` and `total` have a cell for each column."""

    name: str  # unique in the report, for programs
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: tuple[Cell, ...] | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a chart, with the interval about it where it has one."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """One series of bars, in one unit."""

    name: str
    title: str
    unit: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Highlight:
    """A figure that stands out; texts."""

    label: str
    value: str
    detail: str


@dataclass(frozen=True, slots=True)
class Highlights:
    """A row of them."""

    items: tuple[Highlight, ...]


Block: TypeAlias = str | Table | Chart | Highlights  # a str is a paragraph


@dataclass(frozen=True, slots=True)
class Section:
    """A numbered section."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """A whole report."""

    kind: str
    title: str
    subtitle: str
    facts: tuple[tuple[str, str], ...]  # what it is about, for the first page
    sections: tuple[Section, ...]
    sources: tuple[str, ...]  # what it refers to

    @property
    def tables(self) -> Iterator[Table]:
        """Yield the tables in their order."""
        for section in self.sections:
            yield from (block for block in section.blocks if isinstance(block, Table))
