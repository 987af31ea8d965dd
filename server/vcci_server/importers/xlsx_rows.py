"""The rows of one sheet of an Excel workbook (ECMA-376), streamed.

Our own, since calamine aborts the process on a small file whose only cell is in the last row and column, and openpyxl
warns and raises whatever it likes on broken styles, which are not read here. The XML parser opens nothing outside the
part, and bounds the expansion of entities (expat 2.4 and newer).
"""

import io
import posixpath
import re
import zlib
from collections.abc import Iterator
from typing import IO
from xml.etree.ElementTree import Element, ParseError, iterparse, parse
from zipfile import BadZipFile, ZipFile

from vcci_server.importers.problems import Problems
from vcci_server.importers.record import MAX_FACTORS

MAX_UNPACKED_BYTES = 32 << 20  # the DESNZ file of 2025 has 4.3 MB
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_COLUMN = re.compile(r"[A-Z]{1,3}(?=\d)")
# What zipfile, the XML parser and look-ups in a broken file raise.
_BROKEN = (BadZipFile, EOFError, KeyError, OSError, ParseError, RuntimeError, ValueError, zlib.error)


def read_sheet_rows(data: bytes, sheet: str, width: int, problems: Problems) -> Iterator[tuple[int, list[str]]]:
    """Yield each row's line, from 1, and its first `width` cells as texts, without spaces around them."""
    try:
        with ZipFile(io.BytesIO(data)) as book:
            if sum(part.file_size for part in book.infolist()) > MAX_UNPACKED_BYTES:
                problems.fail(1, "", f"{len(data)} bytes", f"a workbook of at most {MAX_UNPACKED_BYTES} bytes unpacked")
            sheets = _sheets(book)
            if sheet not in sheets:
                problems.fail(1, "", ", ".join(sheets), f"a sheet named {sheet}")
            yield from _rows(book, sheets[sheet], width, problems)
    except _BROKEN as error:
        problems.fail(1, "", str(error), "an Excel workbook")


def _sheets(book: ZipFile) -> dict[str, str]:
    """Return the part of each sheet, by its name."""
    with book.open("xl/_rels/workbook.xml.rels") as file:
        targets = {relation.attrib["Id"]: relation.attrib["Target"] for relation in _root(file)}
    with book.open("xl/workbook.xml") as file:
        sheets = _root(file).findall("{*}sheets/{*}sheet")
    return {
        sheet.attrib["name"]: posixpath.join("/xl", targets[sheet.attrib[_RELATION]]).lstrip("/") for sheet in sheets
    }


def _root(file: IO[bytes]) -> Element:
    return parse(file).getroot()  # noqa: S314  see the module's docstring


def _rows(book: ZipFile, part: str, width: int, problems: Problems) -> Iterator[tuple[int, list[str]]]:
    strings = _shared_strings(book)
    line = 0
    for row in _elements(book, part, "row"):
        line = int(row.get("r", line + 1))
        if line > MAX_FACTORS:
            problems.fail(line, "", str(line), f"at most {MAX_FACTORS} lines")
        yield line, _cells(row, width, strings)


def _shared_strings(book: ZipFile) -> list[str]:
    part = "xl/sharedStrings.xml"
    return [_text(item) for item in _elements(book, part, "si")] if part in book.namelist() else []


def _elements(book: ZipFile, part: str, tag: str) -> Iterator[Element]:
    """Yield the elements of a name, each gone when the next is asked for."""
    with book.open(part) as file:
        open_elements: list[Element] = []
        for event, element in iterparse(file, ("start", "end")):  # noqa: S314
            if event == "start":
                open_elements.append(element)
                continue
            open_elements.pop()
            if element.tag.endswith("}" + tag):
                yield element
                open_elements[-1].clear()


def _cells(row: Element, width: int, strings: list[str]) -> list[str]:
    cells = [""] * width
    for position, cell in enumerate(row):
        column = _COLUMN.match(cell.get("r", ""))
        index = _column_index(column[0]) if column else position
        if index < width:
            cells[index] = _value(cell, strings).strip()
    return cells


def _column_index(letters: str) -> int:
    index = 0
    for letter in letters:
        index = 26 * index + ord(letter) - ord("A") + 1
    return index - 1


def _value(cell: Element, strings: list[str]) -> str:
    if cell.get("t") == "inlineStr":
        return _text(cell)
    value = cell.findtext("{*}v") or ""
    return strings[int(value)] if cell.get("t") == "s" else value


def _text(element: Element) -> str:
    return "".join(part.text or "" for part in element.iterfind(".//{*}t"))
