"""A report as PDF, set by typst: contents, page numbers, tables that repeat their headers, charts."""

import json
import re
from collections.abc import Sequence
from typing import Any

from vcci_server.report.cells import NUMERIC, shown, total_shown, typeset
from vcci_server.report.charts import svg
from vcci_server.report.model import Block, Chart, Highlights, Report, Table
from vcci_server.report.pages import set_pages

NARROWEST = 4  # characters that a column's part of the width is by
WIDEST, LEAST = 44, 12  # of texts, with and without room
UNBROKEN = 24  # characters of a word: a longer one, as a hash, may be broken behind so many
LONG_WORD = re.compile(rf"\S{{{UNBROKEN}}}(?=\S)")
WHOLE_ROWS = 20  # of a table that is kept on one page
WIDE_TABLE = 8  # columns; from there in small letters
SIZE, SMALL = 8.5, 7.2  # pt
ROOM = {SIZE: 116, SMALL: 138}  # characters across the page
TAGGED_ROWS = 2_000  # with the tags that screen readers need; they take 2 kB a row


def write(report: Report) -> bytes:
    """Return the file."""
    is_tagged = sum(len(table.rows) for table in report.tables) <= TAGGED_ROWS
    return set_pages(document(report), tagged=is_tagged)


def document(report: Report) -> str:
    """Return what the template reads."""
    return json.dumps(
        {
            "title": report.title,
            "organization": report.subtitle,
            "facts": [(name, typeset(text)) for name, text in report.facts],
            "sections": [
                {"title": typeset(section.title), "blocks": [_block(block) for block in section.blocks]}
                for section in report.sections
            ],
            "sources": report.sources,
        }
    )


def _block(block: Block) -> dict[str, Any]:
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Chart):
        return {"kind": "chart", "title": typeset(block.title), "svg": svg(block)}
    if isinstance(block, Highlights):
        texts = [(item.label, item.value, item.detail) for item in block.items]
        return {"kind": "highlights", "items": [[*map(typeset, item)] for item in texts]}
    return {"kind": "text", "text": typeset(block)}


def _table(table: Table) -> dict[str, Any]:
    kinds = [column.kind for column in table.columns]
    titles = [typeset(column.title) for column in table.columns]
    rows = [[_breakable(typeset(shown(*pair))) for pair in zip(row, kinds, strict=True)] for row in table.rows]
    total = table.total and [total_shown(*pair) for pair in zip(table.total, kinds, strict=True)]
    size = SMALL if len(kinds) >= WIDE_TABLE else SIZE
    numeric = [kind in NUMERIC for kind in kinds]
    return {
        "kind": "table",
        "title": typeset(table.title),
        "titles": titles,
        "numeric": numeric,
        "widths": _widths(titles, rows, numeric, ROOM[size]),
        "size": size,
        "breakable": len(rows) > WHOLE_ROWS,
        "rows": rows,
        "total": total,
        "note": typeset(table.note),
    }


def _widths(titles: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool], room: int) -> list[int]:
    """Return what part of the width each column gets, by its longest text; without room, long texts give way."""
    columns = zip(*rows, strict=True) if rows else ((),) * len(titles)
    longest = [max(map(len, (*title.split(" "), *column))) for title, column in zip(titles, columns, strict=True)]
    wanted = [max(length + (2 if of else 3), NARROWEST) for length, of in zip(longest, numeric, strict=True)]

    def within(most: int) -> list[int]:
        return [width if of else min(width, most) for width, of in zip(wanted, numeric, strict=True)]

    return next((found for most in range(WIDEST, LEAST, -1) if sum(found := within(most)) <= room), within(LEAST))


def _breakable(text: str) -> str:
    """Allow long words to be broken: with zero-width spaces."""
    if len(text) <= UNBROKEN:
        return text
    return LONG_WORD.sub("\\g<0>\u200b", text)
