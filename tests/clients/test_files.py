"""Files of every format, right and wrong."""

import gzip
from datetime import date
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet
import pytest
from vcci_client.activities import Unreadable
from vcci_client.activity_file import ActivityFile
from vcci_client.errors import FileProblem
from vcci_client.mapping import parse_mapping

from tests.clients.samples import CSV, HEADER, ROWS, plain, read, write_all

REQUIRED = "supplier_code,category,reporting_period,quantity,unit"
NATIVE = {name: f"{{{name}}}" for name in REQUIRED.split(",")}


def test_every_format_gives_the_same_activities(tmp_path: Path) -> None:
    expected, *others = (plain(read(path)) for path in write_all(tmp_path))
    assert expected[1] == {
        "supplier": "S-2",
        "name": "",
        "country": "US",
        "category": 4,
        "period": (date(2024, 4, 1) - date(1970, 1, 1)).days,
        "quantity": "2.5",
        "unit": "tonne",
        "method": 0,
        "factor": "freight:rail",
        "quality": 0,
        "group": "",
        "reference": "",
        "inputs": {"distance": 420.0},
        "wrong": [],
    }
    assert expected[0]["quality"] == 0x10000
    assert all(other == expected for other in others)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_size_of_batches_changes_nothing(tmp_path: Path, size: int) -> None:
    for path in write_all(tmp_path):
        batches = read(path, rows=size)
        assert max(map(len, batches)) <= size
        assert plain(batches) == plain(read(path))


@pytest.mark.parametrize(
    ("text", "encoding", "settings"),
    [
        ("\ufeff" + CSV, "utf-8", {}),
        (CSV.replace("\n", "\r\n"), "utf-8", {}),
        (CSV.removesuffix("\n"), "utf-8", {}),
        (CSV.replace(",", ";"), "utf-8", {"delimiter": ";"}),
        (CSV.replace("Steel Ltd", "Stähle"), "cp1252", {"encoding": "cp1252"}),
        (CSV.replace("Steel Ltd", "Stähle"), "utf-16", {"encoding": "utf-16"}),
        ("Report\nof 2024,\n" + CSV, "utf-8", {"header_line": 3}),
        (CSV.replace("\n", "\n\n"), "utf-8", {}),
    ],
)
def test_a_csv_file_is_read_as_it_is_written(
    tmp_path: Path, text: str, encoding: str, settings: dict[str, object]
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode(encoding))
    mapping = parse_mapping({"file": settings, "fields": {name: f"{{{name}}}" for name in HEADER.split(",")}})
    found = plain(read(path, mapping))
    assert [row["supplier"] for row in found] == ["S-1", "S-2", "S-1"]
    assert found[0]["name"] == ("Stähle" if "Stähle" in text else "Steel Ltd")
    assert not any(row["wrong"] for row in found)


def test_a_quoted_cell_may_hold_line_ends_quotes_and_delimiters(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(REQUIRED + ',supplier_name\nS-1,1,2024-Q1,1,kg,"A ""large"",\nold one"\nS-2,1,2024-Q1,2,kg,"\n"\n')
    assert [(row["name"], row["quantity"]) for row in plain(read(path))] == [
        ('A "large",\nold one', "1.0"),
        ("", "2.0"),
    ]


@pytest.mark.parametrize("size", [1, 2, 7, 1_000])
def test_rows_with_too_few_or_too_many_cells_keep_their_numbers(tmp_path: Path, size: int) -> None:
    wrong = {0, 3, 4, 11, 19}
    lines = [f"S-{row},1" if row in wrong else f"S-{row},1,2024-Q1,{row},kg" for row in range(20)]
    path = tmp_path / "a.csv"
    path.write_text("\n".join((REQUIRED, *lines)) + "\n")
    found = plain(read(path, rows=size))
    assert len(found) == 20
    for row, each in enumerate(found):
        if row in wrong:
            assert each["wrong"] == [Unreadable(0, "", f"2 cells: S-{row},1", "5 cells")]
        else:
            assert each["quantity"] == f"{row}.0"
            assert not each["wrong"]


def test_ragged_rows_among_many_blocks_keep_their_numbers(tmp_path: Path) -> None:
    rows, wrong = 60_000, {5, 29_999, 30_000, 59_999}
    lines = [f"S-{row % 50},1" if row in wrong else f"S-{row % 50},1,2024-Q1,{row},kilogram" for row in range(rows)]
    path = tmp_path / "a.csv"
    path.write_text("\n".join((REQUIRED, *lines)))
    batches = read(path, rows=10_000)
    assert len(batches) >= 6
    quantities = np.concatenate([batch.quantity for batch in batches])
    right = np.array([row not in wrong for row in range(rows)])
    np.testing.assert_array_equal(quantities[right], np.flatnonzero(right))
    starts = np.cumsum([0, *map(len, batches)])
    found = {
        start + cell.row
        for start, batch in zip(starts[:-1].tolist(), batches, strict=True)
        for cell in batch.unreadable
    }
    assert found == wrong


@pytest.mark.parametrize(
    ("cells", "field", "value", "expected"),
    [
        ("S-1,1,2024-Q1,12 approx.,kg", "quantity", "12 approx.", "a number"),
        ("S-1,1,2024-Q1,,kg", "quantity", "", "a number"),
        ("S-1,1,2024-13-45,1,kg", "reporting_period", "2024-13-45", "a date as YYYY-MM-DD or YYYY-Qn"),
        ("S-1,x,2024-Q1,1,kg", "category", "x", "a category, 1 to 15"),
        (f"{'S' * 129},1,2024-Q1,1,kg", "supplier_code", "S" * 128, "a text of at most 128 bytes, without NUL"),
        (f"{'ß' * 65},1,2024-Q1,1,kg", "supplier_code", "ß" * 64, "a text of at most 128 bytes, without NUL"),
        ("S\0-1,1,2024-Q1,1,kg", "supplier_code", "S\\0-1", "a text of at most 128 bytes, without NUL"),
    ],
)
def test_a_cell_that_cannot_be_read_is_told_with_its_text(
    tmp_path: Path, cells: str, field: str, value: str, expected: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{REQUIRED}\nS-0,1,2024-Q1,1,kg\n{cells}\n")
    (batch,) = read(path)
    assert len(batch) == 2
    assert batch.unreadable == (Unreadable(1, field, value, expected),)


def test_a_wrong_input_or_score_is_told_by_its_name_on_the_wire(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{REQUIRED},distance,temporal\nS-1,4,2024-Q1,1,tonne,far,1\nS-1,4,2024-Q1,1,tonne,1,best\n")
    (batch,) = read(path)
    assert [(cell.row, cell.field) for cell in batch.unreadable] == [(0, "inputs.distance"), (1, "quality.temporal")]


@pytest.mark.parametrize(
    ("name", "contents", "told"),
    [
        ("a.csv", b"", "has no column names"),
        ("a.csv", b"\n\n", "has no column names"),
        ("a.csv", b"supplier_code;category;reporting_period;quantity;unit\n", "its delimiter seems to be ';'"),
        ("a.csv", REQUIRED.encode() + b"\nS-\xfc,1,2024-Q1,1,kg\n", "is not utf-8: byte 0xfc in line 2"),
        (
            "a.csv",
            REQUIRED.encode() + b',reference\nS-1,1,2024-Q1,1,kg,"open\nS-2,1,2024-Q1,1,kg,\n',
            "line 2 opens a quote",
        ),
        ("a.jsonl", b"", "has no line that is an object"),
        ("a.xlsx", b"PK no workbook", "is not a workbook"),
        ("a.parquet", b"no parquet", "is not a Parquet file"),
        ("a.csv.gz", gzip.compress(REQUIRED.encode())[:-9], "cannot be read"),
        ("a.jsonl.zst", b"{}", "cannot be read"),
        ("a.pdf", b"", "none of the kinds of file"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_why(tmp_path: Path, name: str, contents: bytes, told: str) -> None:
    path = tmp_path / name
    path.write_bytes(contents)
    with pytest.raises(FileProblem) as problem:
        read(path)
    assert told in str(problem.value)
    assert name in str(problem.value)


def test_a_workbook_whose_sheet_is_damaged_is_told(tmp_path: Path) -> None:
    whole, damaged = tmp_path / "whole.xlsx", tmp_path / "damaged.xlsx"
    book = openpyxl.Workbook()
    for row in (REQUIRED.split(","), ("S-1", 1, "2024-Q1", 1, "kg")):
        book.worksheets[0].append(row)
    book.save(whole)
    for cut in (20, 400):  # within the header, and behind it
        with ZipFile(whole) as right, ZipFile(damaged, "w") as wrong:
            for name in right.namelist():
                content = right.read(name)
                wrong.writestr(name, content[:-cut] if name.endswith("sheet1.xml") else content)
        with pytest.raises(FileProblem, match=r"damaged\.xlsx is not a workbook that can be read"):
            read(damaged)


def test_a_workbook_behind_a_password_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    openpyxl.Workbook().save(path)
    contents = path.read_bytes()
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # bit 0 of the flags: it is encrypted
        *parts, last = contents.split(signature)
        at = flags - len(signature)
        parts = [parts[0], *(part[:at] + b"\x01" + part[at + 1 :] for part in (*parts[1:], last))]
        contents = signature.join(parts)
    path.write_bytes(contents)
    with pytest.raises(FileProblem, match="password required"):
        read(path)


def test_a_parquet_file_whose_texts_are_no_texts_is_told(tmp_path: Path) -> None:
    columns = {name: ["x"] for name in REQUIRED.split(",")} | {"unit": pa.array([b"\xff"]).view(pa.string())}
    pa.parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(FileProblem, match="Invalid UTF8"):
        read(tmp_path / "a.parquet")


def test_a_quote_within_a_cell_is_no_open_quote(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f'{REQUIRED},supplier_name\nS-1,1,2024-Q1,1,kg,Pipes 5"\nS-2,1,2024-Q1,2,kg,x\n')
    assert [row["name"] for row in plain(read(path))] == ['Pipes 5"', "x"]


JSON_ROW = '{"supplier_code": "S-1", "category": 1, "reporting_period": "2024-Q1", "quantity": 1, "unit": "kg"%s}'


def test_lines_that_are_no_objects_are_rejected_one_by_one(tmp_path: Path) -> None:
    wrong = ["[1, 2]", '{"supplier_code": ', JSON_ROW % ', "reference": {"a": 1}']
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join([JSON_ROW % "", *wrong, JSON_ROW % ""]))
    (batch,) = read(path)
    assert len(batch) == 5
    assert [(cell.row, cell.field, cell.expected) for cell in batch.unreadable] == [
        (1, "", "a JSON object"),
        (2, "", "a JSON object"),
        (3, "reference", "a text or a number"),
    ]


def test_an_unknown_name_in_the_first_lines_of_a_json_file_is_a_wrong_header(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(JSON_ROW % ', "distanc": 5')
    with pytest.raises(FileProblem, match=r"'distanc' is not one of ours \(did you mean 'distance'\?\)"):
        read(path)


def test_an_unknown_name_later_in_a_json_file_is_a_wrong_row(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join([JSON_ROW % ""] * 1_200 + [JSON_ROW % ', "colour": "red"']))
    found = plain(read(path))
    assert found[1_200]["wrong"] == [Unreadable(0, "colour", "red", "a column that the others have")]


def test_a_name_that_comes_late_in_a_json_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join([JSON_ROW % ""] * 1_500 + [JSON_ROW % ', "supplier_factor": 2']))
    assert plain(read(path))[1_500]["inputs"] == {"supplier_factor": 2.0}


def test_a_sheet_is_chosen_by_its_name_and_empty_rows_are_no_rows(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.create_sheet("Spend")
    first, second = ["S-1", 1, date(2024, 1, 5), 1.5, "kg"], ["S-2", 1, "2024-Q1", "2", "kg"]
    for cells in ([], ["Spend of 2024"], REQUIRED.split(","), first, [None], second):
        sheet.append(cells)
    book.save(tmp_path / "a.xlsx")
    mapping = parse_mapping({"file": {"sheet": "Spend", "header_line": 3}, "fields": NATIVE})
    assert [row["quantity"] for row in plain(read(tmp_path / "a.xlsx", mapping))] == ["1.5", "2.0"]
    with pytest.raises(FileProblem, match="it has Sheet, Spend"):
        read(tmp_path / "a.xlsx", parse_mapping({"file": {"sheet": "Other"}, "fields": NATIVE}))


def test_a_column_of_lists_is_refused(tmp_path: Path) -> None:
    columns = {name: ["1"] for name in REQUIRED.split(",")} | {"unit": [["kg", "g"]]}
    pa.parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(FileProblem, match="'unit' holds lists"):
        read(tmp_path / "a.parquet")


def test_a_mapping_reads_a_file_of_other_columns(tmp_path: Path) -> None:
    path = tmp_path / "spend.csv"
    path.write_text(
        "Vendor;Art;Betrag;Datum;Code\nV1;Stahl;1.234,50;31.01.2024;331110\nV2;Büro;7;2024-02-01;\n", "cp1252"
    )
    mapping = parse_mapping(
        {
            "file": {
                "encoding": "cp1252",
                "delimiter": ";",
                "decimal": ",",
                "thousands": ".",
                "date_formats": ["%d.%m.%Y", "%Y-%m-%d"],
            },
            "fields": {
                "supplier_code": "{Vendor}",
                "category": "{Art}",
                "reporting_period": "{Datum}",
                "quantity": "{Betrag}",
                "unit": "EUR",
                "factor": "naics:{Code}",
                "reference": "{Vendor}/{Datum}",
            },
            "values": {"category": {"Stahl": 1, "Büro": 2}},
        }
    )
    first, second = plain(read(path, mapping))
    assert (first["quantity"], first["category"], first["factor"]) == ("1234.5", 1, "naics:331110")
    assert first["reference"] == "V1/31.01.2024"
    assert (second["category"], second["factor"], second["unit"]) == (2, "", "EUR")
    assert not first["wrong"]
    assert not second["wrong"]


def test_how_much_was_read_is_known(tmp_path: Path) -> None:
    for path in write_all(tmp_path):
        with ActivityFile(path) as file:
            rows = sum(len(batch) for batch in file.batches(2))
            assert rows == len(ROWS)
            assert file.fraction_read() == 1.0
            assert file.total_rows in (None, len(ROWS))


def test_the_fingerprint_is_of_contents_mapping_and_options(tmp_path: Path) -> None:
    for name, text in (("a.csv", CSV), ("same.csv", CSV), ("other.csv", CSV + ROWS[0] + "\n")):
        (tmp_path / name).write_text(text)
    mapping = parse_mapping({"fields": {name: f"{{{name}}}" for name in HEADER.split(",")}})
    with (
        ActivityFile(tmp_path / "a.csv") as one,
        ActivityFile(tmp_path / "same.csv") as same,
        ActivityFile(tmp_path / "other.csv") as other,
        ActivityFile(tmp_path / "a.csv", mapping) as mapped,
    ):
        assert one.fingerprint(False) == same.fingerprint(False)
        prints = {one.fingerprint(False), one.fingerprint(True), other.fingerprint(False), mapped.fingerprint(False)}
        assert len(prints) == 4
