"""The starter set: complete, cited, and equal to the official files that it cites."""

import math
from collections import Counter
from functools import cache

import pytest
from vcci_engine.gases import parts_of, ratios
from vcci_engine.gwp import GWP
from vcci_server.importers import READERS, FactorRecord, starter_factors, vcci_csv, write_csv

from tests.data_files import shared_data

EPA_FILE = "SupplyChainGHGEmissionFactors_v1.3.0_NAICS_CO2e_USD2022.csv"
FILES = {
    "vcci_csv": None,
    "epa_v1_3": EPA_FILE,
    "desnz_flat": "desnz2025_flat.xlsx",
}
PURE_GASES = {  # published as CO2e only, but a kilogram of one gas is that gas
    "refrigerant:r134a": "HFC134a",
    "refrigerant:r32": "HFC32",
    "refrigerant:sf6": "SF6",
    "refrigerant:nf3": "NF3",
}


@cache
def _starter() -> list[FactorRecord]:
    return vcci_csv.read(starter_factors())


def test_starter_set_is_in_the_form_that_the_writer_gives() -> None:
    assert write_csv(_starter()) == starter_factors()


def test_starter_set_covers_what_suppliers_report() -> None:
    sources = Counter(record.source for record in _starter())
    assert sum(sources.values()) >= 220
    assert sources["naics"] >= 60
    assert {"grid", "fuel", "freight", "travel", "hotel", "waste", "material", "water"} <= sources.keys()


def test_electricity_is_there_for_forty_countries_and_the_world() -> None:
    regions = {record.region for record in _starter() if record.key == "grid:electricity"}
    assert "" in regions
    assert len(regions) > 40


def test_codes_are_short_and_typed_by_hand() -> None:
    assert all(len(record.key) <= 40 and record.key == record.key.lower() for record in _starter())
    assert {"naics:331110", "fuel:diesel", "freight:road_hgv_average", "travel:air_long_haul_economy"} <= {
        record.key for record in _starter()
    }


def test_every_line_names_a_publisher_that_the_documentation_credits() -> None:
    publishers = ("US EPA, ", "UK DESNZ, ", "Ember, ", "Australian Government DCCEEW, ")
    assert [record.key for record in _starter() if not record.source_note.startswith(publishers)] == []


def test_lines_that_cite_epa_equal_the_official_file() -> None:
    official = {record.key: record for record in READERS["epa_v1_3"](shared_data(EPA_FILE).read_bytes())}
    lines = [record for record in _starter() if record.source == "naics"]
    assert [record for record in lines if record != official[record.key]] == []


def test_lines_that_cite_desnz_equal_the_official_file() -> None:
    records = READERS["desnz_flat"](shared_data("desnz2025_flat.xlsx").read_bytes())
    official = {record.source_note: record for record in records}
    lines = [record for record in _starter() if record.source_note.startswith("UK DESNZ")]
    assert len(lines) > 200
    for line in lines:
        row = official[line.source_note]
        assert (line.year, line.unit, line.kg_co2e, line.gsd2) == (row.year, row.unit, row.kg_co2e, row.gsd2), line.key
        assert line.gwp_set == row.gwp_set, line.key
        if line.key not in PURE_GASES:
            assert dict(line.gases) == pytest.approx(dict(row.gases), rel=5e-6), line.key


def test_a_kilogram_of_one_gas_is_that_gas_and_has_its_published_potential() -> None:
    lines = {record.key: record for record in _starter()}
    for key, gas in PURE_GASES.items():
        assert dict(lines[key].gases) == {gas: 1.0}
        assert lines[key].kg_co2e == GWP[lines[key].gwp_set][gas]


def test_egrid_line_is_the_published_rate_converted() -> None:
    [line] = [record for record in _starter() if "eGRID" in record.source_note]
    kg_per_kwh = 0.45359237 / 1000  # of a pound per MWh: the international pound
    published = {"CO2": 767.209, "CH4": 0.057, "N2O": 0.008}
    assert all(str(rate) in line.source_note for rate in (770.884, *published.values()))
    assert line.kg_co2e == pytest.approx(770.884 * kg_per_kwh, abs=5e-7)
    assert dict(line.gases) == pytest.approx({gas: rate * kg_per_kwh for gas, rate in published.items()}, rel=5e-6)
    assert not math.isnan(ratios(parts_of([line.kg_co2e], [line.gases], [line.gwp_set]), "AR6")[0]), "its parts add up"
