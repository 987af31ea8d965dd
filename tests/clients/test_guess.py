"""Proposed mappings."""

import tomllib
from pathlib import Path

import pytest
from vcci_client.errors import FileProblem
from vcci_client.guess import guess_mapping
from vcci_client.mapping import Mapping, parse_mapping

from tests.clients.samples import plain, read, write_all
from tests.data_files import shared_data


def proposed(path: Path) -> Mapping:
    return parse_mapping(tomllib.loads(guess_mapping(path)))


def test_our_own_columns_are_proposed_as_they_are(tmp_path: Path) -> None:
    for path in write_all(tmp_path):
        assert plain(read(path, proposed(path))) == plain(read(path))


def test_a_file_from_another_country_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "kosten.csv"
    path.write_text(
        "Kreditor;Lieferant;Betrag;Währung;Buchungsdatum\n7001;Müller;1.234,50;EUR;31.01.2024\n7002;Ö;12,00;EUR;1.2.2024\n",
        "cp1252",
    )
    first, second = plain(read(path, proposed(path)))
    assert (first["supplier"], first["name"], first["quantity"], first["unit"]) == ("7001", "Müller", "1234.5", "EUR")
    assert (second["quantity"], second["category"], second["wrong"]) == ("12.0", 1, [])


def test_dates_that_can_be_read_both_ways_are_pointed_at(tmp_path: Path) -> None:
    path = tmp_path / "spend.csv"
    path.write_text("Vendor ID,Amount,Currency,Date\nV1,5,USD,03/04/2024\nV2,5,USD,05/06/2024\n")
    assert "# %m/%d/%Y or %d/%m/%Y? Each of these dates can be read both ways." in guess_mapping(path)
    path.write_text("Vendor ID,Amount,Currency,Date\nV1,5,USD,03/04/2024\nV2,5,USD,25/06/2024\n")
    assert proposed(path).format.date_formats == ("%d/%m/%Y",)
    assert "both ways" not in guess_mapping(path)


def test_what_is_required_and_not_found_is_left_to_fill_in(tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_text("who,what\na,b\n")
    text = guess_mapping(path)
    assert '# quantity = "{column}"  # required, and no column looks like it' in text
    assert "# Not used: who, what" in text


def test_a_column_whose_values_do_not_fit_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "spend.csv"
    path.write_text("Vendor ID,Amount,Spend,Date\nV1,none,5,2024-01-01\nV2,some,6,2024-01-02\n")
    assert proposed(path).fields["quantity"].columns == ("Spend",)


def test_a_file_without_rows_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "empty.csv"
    path.write_text("Vendor ID,Amount\n")
    with pytest.raises(FileProblem, match=r"empty\.csv has no rows"):
        guess_mapping(path)


def test_the_real_file_needs_no_mending() -> None:
    path = shared_data("real_spend_sample.csv")
    mapping = proposed(path)
    assert mapping.fields["factor"].columns == ("naics_code",)
    assert set(mapping.format.date_formats) == {"%m/%d/%y", "%Y-%m-%d"}
    found = read(path, mapping)
    assert sum(map(len, found)) == 6_044
    assert not any(batch.unreadable for batch in found)
