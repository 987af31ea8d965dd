"""What the writers make of a small report: the same figures, texts that stay texts, long words that can be broken."""

import csv
import io
import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import date

import psutil
import pytest
import typst
from openpyxl import load_workbook
from vcci_engine.errors import Overloaded
from vcci_server.report import write_csv, write_html, write_json, write_pdf, write_xlsx
from vcci_server.report.cells import shown, typeset
from vcci_server.report.charts import svg
from vcci_server.report.model import Bar, Cell, CellKind, Chart, Column, Highlight, Highlights, Report, Section, Table
from vcci_server.report.pages import TEMPLATE, set_pages

SHA256 = "0123456789abcdef" * 4
TABLE = Table(
    name="things",
    title="Things & others",
    columns=(
        *(Column("name", "Name"), Column("lines", "Lines", "count"), Column("t_co2e", "t CO2e", "tonnes")),
        *(Column("share", "Share", "share"), Column("made", "Made", "date")),
    ),
    rows=(
        ("=SUM(A1:A9)", 1_234, 0.1 + 0.2, 0.25, date(2025, 3, 31)),
        ("<script>", 0, -12.5, None, None),
        (SHA256, 1, 1e-5, 1.0, date(2025, 4, 1)),
        ("#strong[x] \x00 $a$", 2, 3.0, 0.5, None),
    ),
    total=("Total", 1_237, -9.2, None, None),
    note="A note",
)
CHART = Chart("bars", "Bars", "t CO2e", (Bar("a <b>", 10.0, 8.0, 15.0), Bar("below", -2.0), Bar("x" * 99, 0.0)))
NOTHING = Table("nothing", "Nothing of it", TABLE.columns, ())
TILES = Highlights((Highlight("Total <all>", "3 t CO2e", "of 2 t of CH4"),))
BLOCKS = ("A text on CO2.", CHART, TABLE, NOTHING, TILES)
REPORT = Report("kind", "Title", "Werk <Süd>", (("Period", "2025"),), (Section("One", BLOCKS),), ("A source",))


@pytest.mark.parametrize(
    ("cell", "kind", "text"),
    [
        (None, "tonnes", "–"),
        (0.0, "tonnes", "0"),
        (1234567.8, "tonnes", "1,234,568"),
        (12.34, "tonnes", "12.3"),
        (0.1234, "tonnes", "0.123"),
        (0.0000123456, "number", "0.0000123"),
        (1.5e-12, "number", "1.50e-12"),
        (-12.34, "tonnes", "−12.3"),
        (7, "number", "7"),
        (0.1234, "share", "12.3\u00a0%"),
        (1234, "count", "1,234"),
        (date(2025, 3, 31), "date", "2025-03-31"),
    ],
)
def test_cells_are_shown_with_the_digits_that_they_need(cell: Cell, kind: CellKind, text: str) -> None:
    assert shown(cell, kind) == text


def test_json_has_every_cell_by_its_column() -> None:
    document = json.loads(write_json.write(REPORT))
    table = document["sections"][0]["blocks"][2]["table"]
    assert table["rows"][0] == {
        "name": "=SUM(A1:A9)",
        "lines": 1_234,
        "t_co2e": 0.1 + 0.2,
        "share": 0.25,
        "made": "2025-03-31",
    }
    assert table["total"]["t_co2e"] == -9.2


def test_csv_has_numbers_in_full_and_no_formulas() -> None:
    lines = [*csv.reader(io.StringIO(write_csv.write(REPORT).decode("utf-8-sig"), newline=""))]
    start = lines.index(["table", "things", "Things & others"])
    assert lines[start + 1] == ["name", "lines", "t_co2e", "share", "made"]
    assert lines[start + 2] == ["'=SUM(A1:A9)", "1234", "0.30000000000000004", "0.25", "2025-03-31"]
    assert lines[start + 3] == ["<script>", "0", "-12.5", "", ""]


def test_a_workbook_has_typed_cells_and_no_formulas() -> None:
    sheet = load_workbook(io.BytesIO(write_xlsx.write(REPORT)))["things"]
    first = next(sheet.iter_rows(min_row=2))
    assert [cell.data_type for cell in first] == ["s", "n", "n", "n", "d"]
    assert first[0].value == "=SUM(A1:A9)"
    assert [cell.value for cell in sheet[6]][:3] == ["Total", 1_237, -9.2]
    assert sheet["A5"].value == "#strong[x]  $a$"  # XML has no NUL


def test_html_escapes_texts() -> None:
    page = write_html.write(REPORT).decode()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "Werk &lt;Süd&gt;" in page


def test_a_pdf_has_the_cells_as_they_are_shown_and_can_break_long_words() -> None:
    table = json.loads(write_pdf.document(REPORT))["sections"][0]["blocks"][2]
    kinds = [column.kind for column in TABLE.columns]
    expected = [[shown(*pair) for pair in zip(row, kinds, strict=True)] for row in TABLE.rows]
    assert [[cell.replace("\u200b", "") for cell in row] for row in table["rows"]] == expected
    assert [len(part) for part in table["rows"][2][0].split("\u200b")] == [24, 24, 16]
    assert table["total"] == ["Total", "1,237", "−9.200", "", ""]


def test_a_pdf_has_a_first_page_with_contents_and_numbered_pages() -> None:
    sys_inputs = {"report": write_pdf.document(REPORT)}
    headings = json.loads(typst.query(TEMPLATE, "heading", sys_inputs=sys_inputs))
    assert [of["body"]["text"] for of in headings] == ["Contents", "One", "References"]
    pages = typst.compile(TEMPLATE, format="svg", sys_inputs=sys_inputs)
    assert isinstance(pages, list)
    assert len(pages) == 2
    assert write_pdf.write(REPORT).startswith(b"%PDF-1.")


def test_pages_that_cannot_be_set_are_told() -> None:
    with pytest.raises(Overloaded, match="list fewer suppliers"):
        set_pages("no document", tagged=False)


def test_a_chart_is_valid_and_its_bars_are_as_long_as_their_values() -> None:
    root = ET.fromstring(svg(CHART))
    space = {"s": "http://www.w3.org/2000/svg"}
    widths = [float(rect.attrib["width"]) for rect in root.findall("s:rect", space)]
    assert widths[1] / widths[0] == pytest.approx(0.2, rel=1e-3)
    assert widths[2] == 0
    texts = [text.text for text in root.findall("s:text", space)]
    assert "a <b>" in texts
    assert max(len(text or "") for text in texts) == 44


def test_gases_are_set_with_subscripts_for_people_and_not_for_programs() -> None:
    assert typeset("kg CO2e, N2O; S-CO27 is none") == "kg\u00a0CO₂e, N₂O; S-CO27 is none"
    page = write_html.write(REPORT).decode()
    assert "<p>A text on CO₂.</p>" in page
    assert "<strong>3 t\u00a0CO₂e</strong><span>of 2 t of CH₄</span>" in page
    blocks = json.loads(write_json.write(REPORT))["sections"][0]["blocks"]
    assert blocks[0] == {"text": "A text on CO2."}
    assert blocks[4] == {"highlights": [{"label": "Total <all>", "value": "3 t CO2e", "detail": "of 2 t of CH4"}]}


def test_a_table_without_rows_is_told_to_be_of_nothing() -> None:
    page = write_html.write(REPORT).decode()
    assert '<p class="caption" id="nothing">Nothing of it</p>\n<p class="note">None.</p>' in page
    assert load_workbook(io.BytesIO(write_xlsx.write(REPORT)))["nothing"].max_row == 1


def test_columns_of_texts_give_way_to_numbers_where_there_is_no_room() -> None:
    columns = (Column("why", "Why"), Column("t", "t", "tonnes"))
    table = Table("long", "Long", columns, (("word " * 400, 123456.0),))
    report = Report("kind", "Title", "", (("Period", "2025"),), (Section("One", (table,)),), ())
    wide = Report("kind", "Title", "", (("Period", "2025"),), (Section("One", (replaced_columns(table, 12),)),), ())
    for of in (report, wide):
        block = json.loads(write_pdf.document(of))["sections"][0]["blocks"][0]
        assert block["widths"][-1] == len("123,456") + 2


def replaced_columns(table: Table, texts: int) -> Table:
    """Return a table with its first column so many times."""
    columns = (*(table.columns[:1] * texts), table.columns[1])
    return replace(table, columns=columns, rows=tuple((*row[:1] * texts, row[1]) for row in table.rows))


def test_a_chart_of_nothing_is_valid() -> None:
    ET.fromstring(svg(Chart("none", "None", "t CO2e", ())))
    ET.fromstring(svg(Chart("zero", "Zero", "t CO2e", (Bar("a", 0.0, 0.0, 0.0),))))


def test_memory_does_not_grow_with_the_rows_of_a_report() -> None:
    rows = tuple((f"supplier {number}", number, 1.5, 0.5, None) for number in range(2_000))
    long = replace(REPORT, sections=(Section("One", (replace(TABLE, rows=rows, total=None),)),))
    write_pdf.write(REPORT), write_xlsx.write(REPORT)
    before = psutil.Process().memory_info().rss
    assert write_pdf.write(long).startswith(b"%PDF-1.")
    assert write_xlsx.write(long)
    assert psutil.Process().memory_info().rss - before < 30 << 20  # in this process typst would keep 110 MB


def test_short_texts_of_a_html_table_are_whole_and_keys_may_be_broken_at_their_joints() -> None:
    columns = (Column("factor", "Factor"), Column("year", "Year"), Column("t", "t", "tonnes"))
    table = Table("factors", "Factors", columns, (("freight:air_long_haul", "2025", 1.0), ("a/b", "2024", 2.0)))
    page = write_html.write(Report("kind", "Title", "", (), (Section("One", (table,)),), ())).decode()
    assert '<td>freight:<wbr>air_<wbr>long_<wbr>haul</td><td class="s">2025</td><td class="n">1.000</td>' in page
