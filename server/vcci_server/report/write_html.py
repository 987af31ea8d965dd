"""A report as one HTML file that needs no other: its style and its charts are within it."""

import re
from collections.abc import Callable, Iterator
from html import escape
from importlib.resources import files

from vcci_server.report.cells import NUMERIC, shown, total_shown, typeset
from vcci_server.report.charts import svg
from vcci_server.report.model import Block, Cell, CellKind, Chart, Highlights, Report, Section, Table

WHOLE_ROWS = 20  # of a table that is kept on one page of paper
SHORT = 12  # characters: a column of such texts is not broken into lines
_JOINT = re.compile(r"(?<=[_:*])(?=\w)")  # in keys and units, where a long one may go on in the next line
STYLE = (files("vcci_server.report") / "style.css").read_text("utf-8")
# Nothing is fetched and nothing runs, whatever the texts of suppliers say.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def write(report: Report) -> bytes:
    """Return the file."""
    return "\n".join(_document(report)).encode()


def _document(report: Report) -> Iterator[str]:
    title = " – ".join(filter(None, (report.title, report.subtitle)))
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{escape(title)}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>"
    yield f'<h1>{escape(report.title)}</h1>\n<p class="subtitle">{escape(report.subtitle)}</p>'
    yield "<dl>"
    yield from (f"<dt>{escape(name)}</dt><dd>{_text(value)}</dd>" for name, value in report.facts)
    yield "</dl>\n<nav>\n<h2>Contents</h2>\n<ol>"
    for number, section in enumerate(report.sections, 1):
        yield f'<li><a href="#s{number}">{_text(section.title)}</a></li>'
    yield "</ol>\n</nav>"
    for number, section in enumerate(report.sections, 1):
        yield from _section(number, section)
    yield "<footer>\n<h2>References</h2>\n<ul>"
    yield from (f"<li>{escape(source)}</li>" for source in report.sources)
    yield "</ul>\n</footer>\n</main>\n</body>\n</html>\n"


def _section(number: int, section: Section) -> Iterator[str]:
    yield f'<section id="s{number}">\n<h2>{number} {_text(section.title)}</h2>'
    for block in section.blocks:
        yield from _block(block)
    yield "</section>"


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Table):
        yield from _table(block)
    elif isinstance(block, Highlights):
        yield from _highlights(block)
    elif isinstance(block, Chart):
        yield f"<figure>\n<figcaption>{_text(block.title)}</figcaption>\n{svg(block)}\n</figure>"
    else:
        yield f"<p>{_text(block)}</p>"


def _highlights(block: Highlights) -> Iterator[str]:
    yield '<div class="tiles">'
    for item in block.items:
        label, value, detail = map(_text, (item.label, item.value, item.detail))
        yield f"<div><span>{label}</span><strong>{value}</strong><span>{detail}</span></div>"
    yield "</div>"


def _text(text: str) -> str:
    return escape(typeset(text))


def _table(table: Table) -> Iterator[str]:
    if not table.rows:
        yield f'<p class="caption" id="{table.name}">{_text(table.title)}</p>\n<p class="note">None.</p>'
        return
    whole = " whole" if len(table.rows) <= WHOLE_ROWS else ""
    yield f'<div class="scroll{whole}"><table id="{table.name}">\n<caption>{_text(table.title)}</caption>\n<thead><tr>'
    classes = [_class(table, number) for number in range(len(table.columns))]
    heads = zip(classes, table.columns, strict=True)
    yield "".join(f'<th scope="col"{of}>{_text(column.title)}</th>' for of, column in heads)
    yield "</tr></thead>\n<tbody>"
    yield from (_row(table, classes, row, shown) for row in table.rows)
    yield "</tbody>"
    if table.total:
        yield f"<tfoot>{_row(table, classes, table.total, total_shown)}</tfoot>"
    yield "</table></div>"
    if table.note:
        yield f'<p class="note">{_text(table.note)}</p>'


def _row(table: Table, classes: list[str], row: tuple[Cell, ...], text: Callable[[Cell, CellKind], str]) -> str:
    cells = zip(classes, row, table.columns, strict=True)
    texts = ((css, _JOINT.sub("<wbr>", _text(text(cell, column.kind)))) for css, cell, column in cells)
    return "<tr>" + "".join(f"<td{css}>{cell}</td>" for css, cell in texts) + "</tr>"


def _class(table: Table, number: int) -> str:
    """Return the class of a column: numbers, short texts; neither may be broken."""
    column = table.columns[number]
    if column.kind in NUMERIC:
        return ' class="n"'
    longest = max(len(shown(row[number], column.kind)) for row in table.rows)
    return ' class="s"' if longest <= SHORT else ""
