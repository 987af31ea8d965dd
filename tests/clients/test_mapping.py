"""The mapping of a customer's own columns."""

from pathlib import Path

import pytest
from vcci_client.errors import FileProblem, MappingProblem
from vcci_client.mapping import FileFormat, Template, load_mapping, native_mapping, parse_mapping

FIELDS = {
    "supplier_code": "{id}",
    "category": 1,
    "reporting_period": "{date}",
    "quantity": "{amount}",
    "unit": "USD",
}


@pytest.mark.parametrize(
    ("text", "cells", "expected"),
    [
        ("{a}", ["x"], "x"),
        ("naics:{a}", ["331110"], "naics:331110"),
        ("{a}-{b}!", ["x", "y"], "x-y!"),
        ("naics:{a}", [""], ""),
        ("constant", [], "constant"),
        ("{{a}}", [], "{a}"),
        ("{Amount (USD): net}", ["1"], "1"),
        ("", [], ""),
    ],
)
def test_a_template_is_filled_with_cells(text: str, cells: list[str], expected: str) -> None:
    assert Template.parse(text).fill(cells) == expected


def test_a_mapping_reads_columns_constants_and_templates() -> None:
    mapping = parse_mapping({"fields": FIELDS | {"factor": "naics:{code}", "supplier_name": "{id} {date}"}})
    assert mapping.columns == ("id", "date", "amount", "code")
    assert mapping.format == FileFormat()


def test_the_same_mapping_has_the_same_identity() -> None:
    one, same = parse_mapping({"fields": FIELDS}), parse_mapping({"fields": dict(reversed(FIELDS.items()))})
    assert one.identity == same.identity != parse_mapping({"fields": FIELDS | {"unit": "EUR"}}).identity


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"fields": FIELDS, "colums": {}}, "'colums' is not a table"),
        ({"fields": FIELDS | {"quantitty": "{x}"}}, "'quantitty' is not a field (did you mean 'quantity'?)"),
        ({"fields": {"quantity": "{x}"}}, "[fields] has no supplier_code"),
        ({"fields": FIELDS | {"unit": True}}, "fields.unit: found True"),
        ({"fields": FIELDS, "file": {"delimeter": ";"}}, "(did you mean 'delimiter'?)"),
        ({"fields": FIELDS, "file": {"date_formats": "%Y"}}, "file.date_formats: found '%Y', expected a list"),
        ({"fields": FIELDS, "file": {"decimal": ",", "thousands": ","}}, "it is the decimal sign too"),
        ({"fields": FIELDS, "file": {"decimal": "comma"}}, "file.decimal: found 'comma', expected one character"),
        ({"fields": FIELDS, "file": {"header_line": 0}}, "file.header_line: found 0"),
        ({"fields": FIELDS, "values": {"quantity": {"a": "1"}}}, "'quantity' is not a field of texts"),
        ({"fields": []}, "expected a table"),
    ],
)
def test_a_wrong_mapping_is_told_what_is_wrong(document: dict[str, object], told: str) -> None:
    with pytest.raises(MappingProblem) as problem:
        parse_mapping(document)
    assert told in str(problem.value)


def test_a_file_that_is_not_toml_is_told_where(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text("[fields]\nquantity = {amount}\n")
    with pytest.raises(MappingProblem, match=r"m\.toml: .*line 2"):
        load_mapping(tmp_path / "m.toml")


def test_a_column_that_the_file_lacks_is_named_with_the_nearest_one() -> None:
    mapping = parse_mapping({"fields": FIELDS})
    with pytest.raises(MappingProblem) as problem:
        mapping.check(["ID", "date", "amount"], "spend.csv")
    assert "no column 'id', which the mapping reads for supplier_code (did you mean 'ID'?)" in str(problem.value)


def test_a_column_that_is_read_must_be_there_once() -> None:
    with pytest.raises(MappingProblem, match="more than once"):
        parse_mapping({"fields": FIELDS}).check(["id", "date", "amount", "amount"], "spend.csv")


def test_our_own_header_is_told_what_is_missing_and_what_is_unknown() -> None:
    header = ["supplier_code", "category", "reporting_period", "quantty", "unit"]
    with pytest.raises(FileProblem) as problem:
        native_mapping(header, "a.csv")
    told = str(problem.value)
    assert "the column 'quantty' is not one of ours (did you mean 'quantity'?)" in told
    assert "the required column 'quantity' is missing" in told
    assert "vcci upload --guess a.csv" in told
