"""The UK DESNZ flat file: activities, their gases, and what is no factor."""

import io
import math
from collections.abc import Sequence
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
from openpyxl import Workbook
from vcci_engine import units
from vcci_engine.countries import alpha_2
from vcci_engine.errors import FieldProblem, InvalidFactorFile
from vcci_engine.gases import breakdown, parts_of, ratios
from vcci_engine.gwp import GWP
from vcci_server.importers import FactorRecord, desnz_flat
from vcci_server.importers.desnz_sheet import COLUMNS, SHEET
from vcci_server.importers.record import MAX_FACTORS
from vcci_server.importers.xlsx_rows import MAX_UNPACKED_BYTES

from tests.data_files import shared_data

HEADER = (*COLUMNS, "GHG Conversion Factor 2025")
DIESEL = ("Scope 1", "Fuels", "Liquid fuels", "Diesel (100% mineral diesel)", "", "")
Row = tuple[str | float, ...]


def test_gases_are_masses_and_add_up_to_the_total() -> None:
    [record] = desnz_flat.read(
        _workbook(
            [
                ("1_101_1012_8_1", *DIESEL, "litres", "kg CO2e", 2.66155),
                ("1_101_1012_8_2", *DIESEL, "litres", "kg CO2e of CO2 per unit", 2.62818),
                ("1_101_1012_8_3", *DIESEL, "litres", "kg CO2e of CH4 per unit", 0.00028),
                ("1_101_1012_8_4", *DIESEL, "litres", "kg CO2e of N2O per unit", 0.03309),
            ]
        )
    )
    assert record.key == "desnz:fuels.liquid_fuels.diesel_100_mineral_diesel.litre"
    assert (record.unit, record.year, record.region, record.kg_co2e) == ("litre", 2025, "GB", 2.66155)
    assert record.gases == pytest.approx({"CO2": 2.62818, "CH4": 0.00001, "N2O": 0.03309 / 265})
    assert record.source_note.endswith("conversion factors 2025, OGL v3.0; Fuels, row 1_101_1012_8")


def test_net_and_gross_calorific_value_have_codes_of_their_own() -> None:
    records = desnz_flat.read(
        _workbook(
            [
                ("1_101_1012_7_1", *DIESEL, "kWh (Net CV)", "kg CO2e", 0.26808),
                ("1_101_1012_6_1", *DIESEL, "kWh (Gross CV)", "kg CO2e", 0.25199),
            ]
        )
    )
    assert [record.code.rpartition(".")[2] for record in records] == ["kwh_net", "kwh_gross"]
    assert {record.unit for record in records} == {"kWh"}


def test_blank_rows_and_energy_rows_are_counted_and_left_out() -> None:
    car = ("Scope 1", "SECR kWh pass & delivery vehs", "Cars (by size)", "Small car", "", "Diesel", "km")
    file = desnz_flat.parse(
        _workbook(
            [
                ("1_101_1012_8_1", *DIESEL, "litres", "kg CO2e", ""),
                ("6_301_3045_4_5", *car, "kWh (Net CV)", 0.55315),
            ]
        )
    )
    assert (file.records, file.blank_rows, file.energy_rows) == ([], 1, 1)


def test_biogenic_co2_is_kept_beside_the_total() -> None:
    bioethanol = ("Outside of Scopes", "Outside of scopes", "Biofuel", "Bioethanol", "", "", "litres")
    file = desnz_flat.parse(_workbook([("99_103_1031_8_2", *bioethanol, "kg CO2e of CO2 per unit", 1.52)]))
    [record] = file.outside_scopes
    assert file.records == []
    assert (record.kg_co2e, record.gases) == (0.0, {"CO2_biogenic": 1.52})


def test_hotel_stay_has_its_own_country() -> None:
    hotel = ("Scope 3", "Hotel stay", "Hotel stay", "Korea", "", "", "Room per night")
    [record] = desnz_flat.read(_workbook([("29_600_4028_13_1", *hotel, "kg CO2e", 55.8)]))
    assert (record.code, record.region, record.unit) == ("hotel_stay.korea.room_night", "KR", "room*night")


def test_region_can_be_given() -> None:
    data = _workbook([("1_101_1012_8_1", *DIESEL, "litres", "kg CO2e", 2.66155)])
    assert [record.region for record in desnz_flat.read(data, region="")] == [""]


@pytest.mark.parametrize(
    ("row", "field", "value"),
    [
        (("1_1_1_8_1", *DIESEL, "gallons", "kg CO2e", 1.0), "line 5, column UOM", "gallons"),
        (("1_1_1_8_1", *DIESEL, "litres", "kg CO2e of SF6", 1.0), "line 5, column GHG/Unit", "kg CO2e of SF6"),
        (("1_1_1_8_1", *DIESEL, "litres", "kg CO2e", "n/a"), "line 5, column GHG Conversion Factor", "n/a"),
        (("1_1_1_8_1", *DIESEL, "litres", "kg CO2e", "nan"), "line 5, column GHG Conversion Factor", "nan"),
        (
            ("9_9_9_13_1", "Scope 3", "Hotel stay", "Hotel stay", "Atlantis", "", "", "Room per night", "kg CO2e", 1.0),
            "line 5, column Level 3",
            "Atlantis",
        ),
        (("1_1_1_8_1", "Scope 1", "a" * 300, *[""] * 4, "litres", "kg CO2e", 1.0), "line 5, column Level 1", "a" * 128),
        (("1_1_1_8_1", "Scope 1", "a\nb", *[""] * 4, "km", "kg CO2e", 1.0), "line 5, column Level 1", "a\nb, km"),
    ],
)
def test_wrong_value_is_named(row: Row, field: str, value: str) -> None:
    problem = _problems(_workbook([row]))[0]
    assert (problem.field, problem.value) == (field, value)


def test_gases_that_do_not_add_up_are_named() -> None:
    problem = _problems(
        _workbook(
            [
                ("1_101_1012_8_1", *DIESEL, "litres", "kg CO2e", 2.66155),
                ("1_101_1012_8_2", *DIESEL, "litres", "kg CO2e of CO2 per unit", 2.6),
            ]
        )
    )[0]
    assert (problem.field, problem.expected) == ("line 5, column GHG/Unit", "the sum of its gases, 2.60000")


def test_two_activities_of_one_name_are_named() -> None:
    rows = [(f"1_1_{number}_8_1", *DIESEL, "litres", "kg CO2e", 1.0) for number in (1, 2)]
    [problem] = _problems(_workbook(rows))
    assert (problem.field, problem.expected) == ("line 6, column Level 1", "a name that differs from that in line 5")


def test_one_id_for_two_activities_is_named() -> None:
    first = ("1_1_1_8_1", *DIESEL, "litres", "kg CO2e", 1.0)
    second = ("1_1_1_8_1", *DIESEL, "km", "kg CO2e", 1.0)
    assert _problems(_workbook([first, second]))[0].field == "line 6, column ID"


def test_wrong_header_says_which_column_was_expected() -> None:
    [problem] = _problems(_workbook([], header=(*HEADER[:7], "Unit", *HEADER[8:])))
    assert (problem.field, problem.value, problem.expected) == ("line 4, column UOM", "Unit", "UOM in column 8")


def test_header_without_a_year_is_refused() -> None:
    [problem] = _problems(_workbook([], header=(*COLUMNS, "Factor")))
    assert problem.value == "Factor"


@pytest.mark.parametrize("data", [b"", b"source,code\n", b"PK\x03\x04 no workbook"])
def test_what_is_no_workbook_is_refused(data: bytes) -> None:
    [problem] = _problems(data)
    assert problem.expected == "an Excel workbook"


def test_workbook_of_a_few_bytes_that_claims_the_whole_grid_is_refused() -> None:
    book = Workbook()
    book.create_sheet(SHEET)["XFD1048576"] = 1.0
    [problem] = _problems(_bytes(book))
    assert (problem.field, problem.expected) == ("line 1048576", f"at most {MAX_FACTORS} lines")


def test_workbook_that_unpacks_to_too_much_is_refused() -> None:
    data = io.BytesIO()
    with ZipFile(data, "w", ZIP_DEFLATED) as book:
        book.writestr("xl/sharedStrings.xml", bytes(MAX_UNPACKED_BYTES + 1))
    [problem] = _problems(data.getvalue())
    assert problem.expected == f"a workbook of at most {MAX_UNPACKED_BYTES} bytes unpacked"


def test_workbook_without_the_sheet_or_the_header_is_refused() -> None:
    assert _problems(_workbook([], sheet="Other"))[0].expected == f"a sheet named {SHEET}"
    assert _problems(_workbook([], header=()))[0].expected.startswith("a header: ID, Scope")


def test_published_file_is_read_to_the_last_row() -> None:
    file = desnz_flat.parse(_published())
    by_gas = [record for record in file.records if record.gases]
    assert (len(file.records), len(by_gas), len(file.outside_scopes)) == (2616, 1302, 56)
    # 7,029 of the 8,740 rows have a number: a total each, three gases for some, one gas outside of scopes, energy.
    assert file.blank_rows == 8740 - 7029
    assert len(file.records) + 3 * len(by_gas) + len(file.outside_scopes) + file.energy_rows == 7029


def test_published_gases_add_up_to_the_published_totals() -> None:
    by_gas = [record for record in desnz_flat.read(_published()) if record.gases.keys() == {"CO2", "CH4", "N2O"}]
    assert len(by_gas) == 1302
    assert max(abs(_sum_of_gases(record) - record.kg_co2e) for record in by_gas) < 2e-5


def test_engine_knows_what_published_activities_consist_of_and_expresses_them_under_other_sets() -> None:
    by_gas = [record for record in desnz_flat.read(_published()) if record.gases.keys() == {"CO2", "CH4", "N2O"}]
    parts = parts_of(*([getattr(of, name) for of in by_gas] for name in ("kg_co2e", "gases", "gwp_set")))
    assert len(parts) == 1302
    ones, lines = np.ones(1302), np.arange(1302)
    found = breakdown(parts, lines, ones, lines, 1302, "AR5")
    rest = {found.sets[n]: found.by_set[:, n] for n in range(len(found.sets))}
    assert found.kg_co2e.sum(axis=1) == pytest.approx(parts.kg_co2e, abs=2e-5)
    assert rest.keys() == {"AR5"}
    assert rest["AR5"] == pytest.approx(parts.kg_co2e, rel=1e-12)
    by_hand = [math.fsum(mass * GWP["AR6"][gas] for gas, mass in record.gases.items()) for record in by_gas]
    assert ratios(parts, "AR6") * parts.kg_co2e == pytest.approx(by_hand, abs=2.2e-5)


def test_published_activities_have_codes_that_are_unique_and_can_be_typed() -> None:
    codes = [record.code for record in desnz_flat.read(_published())]
    assert len(set(codes)) == len(codes)
    assert all(code.replace(".", "").replace("_", "").isalnum() and code == code.lower() for code in codes)
    assert {
        "fuels.gaseous_fuels.natural_gas.kwh_gross",
        "freighting_goods.hgv_all_diesel.all_hgvs.average_laden.tonne_km",
        "business_travel_air.flights.long_haul_to_from_uk.economy_class.without_rf.passenger_km",
        "waste_disposal.plastic.plastics_pet_incl_forming.landfill.tonne",
        "freighting_goods.sea_tanker.crude_tanker.120000_199999_dwt.tonne_km",
        "hotel_stay.uk_london.room_night",
    } <= set(codes)


def test_published_units_and_regions_are_known() -> None:
    records = desnz_flat.read(_published())
    assert {record.unit for record in records if not units.parse(record.unit)} == set()
    assert {record.region for record in records if alpha_2(record.region) != record.region} == set()


def _published() -> bytes:
    return shared_data("desnz2025_flat.xlsx").read_bytes()


def _sum_of_gases(record: FactorRecord) -> float:
    return math.fsum(mass * GWP[record.gwp_set][gas] for gas, mass in record.gases.items())


def _workbook(rows: Sequence[Row], header: Row = HEADER, sheet: str = SHEET) -> bytes:
    """Return a flat file whose header is in line 4."""
    book = Workbook()
    page = book.create_sheet(sheet)
    for row in [("A title",), (), (), header, *rows]:
        page.append(row)
    return _bytes(book)


def _bytes(book: Workbook) -> bytes:
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


def _problems(data: bytes) -> tuple[FieldProblem, ...]:
    with pytest.raises(InvalidFactorFile) as caught:
        desnz_flat.read(data)
    return caught.value.problems
