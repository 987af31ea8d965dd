"""A report as PDF, set by typst: contents, page numbers, tables that repeat their headers, charts."""

import json
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import typst

from vcci_server.report.cells import NUMERIC, shown, total_shown
from vcci_server.report.charts import svg
from vcci_server.report.model import Block, Chart, Report, Table

TEMPLATE = (files("vcci_server.report") / "report.typ").read_bytes()
NARROWEST, WIDEST = 7, 26  # characters that a column's part of the width is by
UNBROKEN = 24  # characters of a word: a longer one, as a hash, may be broken behind so many
LONG_WORD = re.compile(rf"\S{{{UNBROKEN}}}(?=\S)")
WHOLE_ROWS = 20  # of a table that is kept on one page
WIDE_TABLE = 8  # columns; from there in small letters
SIZE, SMALL = 8.5, 7.2  # pt
TAGGED_ROWS = 2_000  # with the tags that screen readers need; they take 2 kB a row


def write(report: Report) -> bytes:
    """Return the file."""
    is_tagged = sum(len(table.rows) for table in report.tables) <= TAGGED_ROWS
    file = typst.compile(TEMPLATE, format="pdf", sys_inputs={"report": document(report)}, pdf_tags=is_tagged)
    assert isinstance(file, bytes)  # one file, for all pages
    return file


def document(report: Report) -> str:
    """Return what the template reads."""
    return json.dumps(
        {
            "title": report.title,
            "organization": report.subtitle,
            "facts": report.facts,
            "sections": [
                {"title": section.title, "blocks": [_block(block) for block in section.blocks]}
                for section in report.sections
            ],
            "sources": report.sources,
        }
    )


def _block(block: Block) -> dict[str, Any]:
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Chart):
        return {"kind": "chart", "title": block.title, "svg": svg(block)}
    return {"kind": "text", "text": block}


def _table(table: Table) -> dict[str, Any]:
    kinds = [column.kind for column in table.columns]
    titles = [column.title for column in table.columns]
    rows = [[_breakable(shown(*pair)) for pair in zip(row, kinds, strict=True)] for row in table.rows]
    total = table.total and [total_shown(*pair) for pair in zip(table.total, kinds, strict=True)]
    return {
        "kind": "table",
        "title": table.title,
        "titles": titles,
        "numeric": [kind in NUMERIC for kind in kinds],
        "widths": _widths(titles, rows),
        "size": SMALL if len(kinds) >= WIDE_TABLE else SIZE,
        "breakable": len(rows) > WHOLE_ROWS,
        "rows": rows,
        "total": total,
        "note": table.note,
    }


def _widths(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """Return what part of the width each column gets: by its longest text, within bounds."""
    columns = zip(*rows, strict=True) if rows else ((),) * len(titles)
    longest = [1 + max(map(len, (*title.split(), *column))) for title, column in zip(titles, columns, strict=True)]
    return [min(max(length, NARROWEST), WIDEST) for length in longest]


def _breakable(text: str) -> str:
    """Allow long words to be broken: with zero-width spaces."""
    if len(text) <= UNBROKEN:
        return text
    return LONG_WORD.sub("\\g<0>\u200b", text)
