"""The project's own factor file: what is written is read back, and every wrong line is named."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vcci_engine.errors import FieldProblem, InvalidFactorFile
from vcci_server.importers import FactorRecord, write_csv
from vcci_server.importers.record import MAX_FACTORS
from vcci_server.importers.vcci_csv import COLUMNS, read

HEADER = "source,code,name,year,unit,kg_co2e,source_note"
DIESEL = "fuel,diesel,Diesel,2025,litre,2.57082,DESNZ 2025"

_TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=30).map(str.strip).filter(bool)
_FINITE = st.floats(-1e30, 1e30)
_YEAR = st.integers(1900, 2199)
_RECORDS = st.lists(
    st.builds(
        FactorRecord,
        source=st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True),
        code=st.from_regex(re.compile(r"[A-Za-z0-9][A-Za-z0-9._+/-]{0,12}", re.ASCII), fullmatch=True),
        name=_TEXT,
        region=st.sampled_from(["", "GB", "DE"]),
        year=_YEAR,
        unit=st.sampled_from(["kg", "kWh", "tonne*km", "m**3", "USD", "room*night"]),
        kg_co2e=_FINITE,
        gases=st.dictionaries(st.sampled_from(["CO2", "CH4", "N2O", "HFC134a", "CO2_biogenic"]), _FINITE),
        gwp_set=st.sampled_from(["", "AR4", "AR5", "AR6"]),
        gsd2=st.floats(1.0, 100.0),
        price_year=st.one_of(st.just(0), _YEAR),
        price_basis=st.sampled_from(["", "purchaser", "producer"]),
        margins=st.sampled_from(["", "with", "without"]),
        source_note=_TEXT,
    ),
    unique_by=lambda record: (record.key, record.region, record.year),
)


@settings(deadline=None)
@given(_RECORDS)
def test_what_is_written_is_read_back_and_written_the_same(records: list[FactorRecord]) -> None:
    data = write_csv(records)
    assert read(data) == records
    assert write_csv(read(data)) == data


@settings(deadline=None)
@given(st.one_of(st.binary(), st.text().map(lambda text: f"{HEADER}\n{text}".encode(errors="replace"))))
def test_any_bytes_are_read_or_refused_with_a_line(data: bytes) -> None:
    assert all(problem.field.startswith("line ") for problem in _outcome(data))


def test_optional_columns_have_defaults() -> None:
    [record] = read(f"{HEADER}\n{DIESEL}\n".encode())
    assert record == FactorRecord(
        *("fuel", "diesel", "Diesel", "", 2025, "litre", 2.57082),
        *({}, "", 1.05, 0, "", "", "DESNZ 2025"),
    )


@pytest.mark.parametrize(
    "data", [f"\ufeff{HEADER}\r\n\r\n{DIESEL}\r\n", f"{HEADER}\n {DIESEL}", f"{HEADER}\n{DIESEL}\n,,,,,,\n"]
)
def test_byte_order_mark_line_ends_blank_lines_and_padding_do_not_matter(data: str) -> None:
    assert read(data.encode()) == read(f"{HEADER}\n{DIESEL}\n".encode())


def test_negative_factors_are_accepted() -> None:
    [record] = read(f"{HEADER}\nwaste,avoided,Avoided,2025,kg,-1.5,A report\n".encode())
    assert record.kg_co2e == -1.5


def test_missing_column_is_named() -> None:
    [problem] = _problems(f"{HEADER.replace(',unit', '')}\n")
    assert (problem.field, problem.expected) == ("line 1, column unit", "a column of this name")


def test_unknown_column_is_named_with_the_one_that_was_probably_meant() -> None:
    [problem] = _problems(f"{HEADER},GWP set\n")
    assert (problem.field, problem.expected) == ("line 1, column GWP set", "gwp_set, perhaps")


def test_repeated_column_is_named() -> None:
    [problem] = _problems(f"{HEADER},year\n")
    assert (problem.field, problem.expected) == ("line 1, column year", "each column once")


def test_empty_file_says_which_header_was_expected() -> None:
    [problem] = _problems("")
    assert (problem.field, problem.expected) == ("line 1", f"a header: {HEADER}")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("source", "Fuel"),
        ("source", ""),
        ("code", "red diesel"),
        ("name", ""),
        ("name", "two\nlines"),
        ("region", "uk"),
        ("region", "GBR"),
        ("year", "25"),
        ("year", "2025.0"),
        ("region", "ZZ"),
        ("unit", ""),
        ("unit", "furlong per"),
        ("unit", "bananas"),
        ("kg_co2e", ""),
        ("kg_co2e", "nan"),
        ("kg_co2e", "inf"),
        ("kg_co2e", "1e999"),
        ("kg_co2e", "1e31"),
        ("kg_co2e", "2,57"),
        ("kg_co2e", "1_000"),
        ("gases", "CO2"),
        ("gases", "CO2=nan"),
        ("gases", "CO2=1 CO2=2"),
        ("gwp_set", "AR7"),
        ("gsd2", "0.9"),
        ("gsd2", "101"),
        ("price_year", "no"),
        ("price_basis", "Purchaser"),
        ("margins", "yes"),
        ("source_note", ""),
    ],
)
def test_wrong_value_is_named_with_line_and_column(column: str, value: str) -> None:
    good = read(f"{HEADER}\n{DIESEL}\n".encode())
    cells = dict(zip(COLUMNS, write_csv(good).decode().splitlines()[1].split(","), strict=True)) | {column: value}
    row = ",".join(f'"{cell}"' for cell in cells.values())
    [problem] = _problems(f"{','.join(COLUMNS)}\n{row}\n")
    assert problem.field.partition(", column ")[2] == column
    assert problem.field.startswith("line 2") or value == "two\nlines"
    assert problem.value in value


def test_duplicate_key_names_both_lines() -> None:
    [problem] = _problems(f"{HEADER}\n{DIESEL}\n{DIESEL.replace('Diesel', 'Other')}\n")
    assert problem.field == "line 3, column code"
    assert problem.value == "fuel:diesel,,2025"
    assert problem.expected.endswith("line 2 has the same")


def test_same_key_in_another_year_is_another_factor() -> None:
    assert len(read(f"{HEADER}\n{DIESEL}\n{DIESEL.replace(',2025', ',2024')}\n".encode())) == 2


def test_all_problems_are_collected_but_no_more_than_twenty() -> None:
    bad = [f"fuel,f{number},Fuel,2025,litre,x,DESNZ 2025" for number in range(100)]
    assert len(_problems("\n".join([HEADER, bad[0], DIESEL, bad[1]]))) == 2
    assert len(_problems("\n".join([HEADER, *bad]))) == 20


def test_more_lines_than_a_set_may_have_factors_are_refused() -> None:
    [problem] = _problems(HEADER + "\n" * MAX_FACTORS + DIESEL)
    assert (problem.field, problem.expected) == (f"line {MAX_FACTORS + 1}", f"at most {MAX_FACTORS} lines")


def test_line_with_too_few_values_is_named() -> None:
    [problem] = _problems(f"{HEADER}\n{DIESEL}\nfuel,petrol\n")
    assert (problem.field, problem.value) == ("line 3", "2 values")


def test_text_that_is_not_utf_8_is_named_with_its_line() -> None:
    with pytest.raises(InvalidFactorFile) as caught:
        read(f"{HEADER}\n{DIESEL}\n".encode() + "fuel,gas_öl".encode("latin-1"))
    assert caught.value.problems[0].field == "line 3"


def test_unclosed_quote_is_refused() -> None:
    [problem] = _problems(f'{HEADER}\n"{DIESEL}\n')
    assert problem.expected.startswith("comma-separated values")


def test_long_values_are_cut_in_the_report() -> None:
    [problem] = _problems(f"{HEADER}\n{DIESEL.replace('2.57082', '9' * 400)}\n")
    assert problem.value == "9" * 128


def test_reason_of_the_error_is_that_of_the_contract() -> None:
    with pytest.raises(InvalidFactorFile) as caught:
        read(b"")
    assert caught.value.reason == "INVALID_FACTOR_FILE"


def _problems(text: str) -> tuple[FieldProblem, ...]:
    problems = _outcome(text.encode())
    assert problems
    return problems


def _outcome(data: bytes) -> tuple[FieldProblem, ...]:
    try:
        read(data)
    except InvalidFactorFile as error:
        return error.problems
    return ()
