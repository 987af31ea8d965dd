"""EPA Supply Chain GHG Emission Factors v1.3, both published files."""

import csv
import math
from dataclasses import replace

import pytest
from vcci_engine.errors import FieldProblem, InvalidFactorFile
from vcci_engine.gases import parts_of, ratios
from vcci_server.importers import FactorRecord, epa_v1_3

from tests.data_files import shared_data

CO2E_FILE = "SupplyChainGHGEmissionFactors_v1.3.0_NAICS_CO2e_USD2022.csv"
BY_GAS_FILE = "SupplyChainGHGEmissionFactors_v1.3.0_NAICS_byGHG_USD2022.csv"
HEADER = (
    "2017 NAICS Code,2017 NAICS Title,GHG,Unit,Supply Chain Emission Factors without Margins,"
    "Margins of Supply Chain Emission Factors,Supply Chain Emission Factors with Margins,Reference USEEIO Code\n"
)
STEEL = '331110,Iron and Steel Mills,All GHGs,"kg CO2e/2022 USD, purchaser price",0.9,0.1,1.0,331110\n'


def test_co2e_file_gives_one_factor_a_sector() -> None:
    [record] = epa_v1_3.read((HEADER + STEEL).encode())
    assert (record.key, record.name, record.region) == ("naics:331110", "Iron and Steel Mills", "US")
    assert (record.unit, record.kg_co2e, record.gases) == ("USD", 1.0, {})
    assert (record.price_year, record.price_basis, record.margins) == (2022, "purchaser", "with")
    assert "10.23719/1531143" in record.source_note


def test_margins_may_be_left_out() -> None:
    [record] = epa_v1_3.read((HEADER + STEEL).encode(), margins="without")
    assert (record.kg_co2e, record.margins) == (0.9, "without")


def test_both_variants_have_codes_of_their_own() -> None:
    records = epa_v1_3.read((HEADER + STEEL).encode(), margins="both")
    [without] = epa_v1_3.read((HEADER + STEEL).encode(), margins="without")
    assert records == [*epa_v1_3.read((HEADER + STEEL).encode()), replace(without, code="331110.without_margins")]


def test_other_margins_are_refused() -> None:
    with pytest.raises(ValueError, match="'some'"):
        epa_v1_3.read((HEADER + STEEL).encode(), margins="some")


def test_file_by_gas_gives_gas_masses_and_their_sum_with_the_unspecified_part() -> None:
    [record] = epa_v1_3.read(_by_gas({"Carbon dioxide": 0.5, "Methane": 0.01, epa_v1_3.UNSPECIFIED: 0.002}))
    assert record.kg_co2e == pytest.approx(0.5 + 0.01 * 28 + 0.002, rel=1e-12)
    assert len(record.gases) == 18
    assert record.gases["CO2e_AR5"] == 0.002
    assert record.gases["CH4"] == 0.01


def test_missing_gas_is_named() -> None:
    data = b"".join(line for line in _by_gas({}).splitlines(keepends=True) if b"Methane" not in line)
    [problem] = _problems(data)
    assert (problem.field, problem.value) == ("line 2, column GHG", "331110")


def test_repeated_gas_is_named() -> None:
    data = _by_gas({})
    [problem] = _problems(data + data.splitlines(keepends=True)[1])
    assert problem.field == "line 20, column GHG"


@pytest.mark.parametrize(
    ("found", "wrong", "column"),
    [
        ("331110,Iron", "3311,Iron", "2017 NAICS Code"),
        ("Iron", "Iron\0", "2017 NAICS Title"),
        ("All GHGs", "Everything", "GHG"),
        ("2022 USD", "2021 USD", "Unit"),
        (",1.0,", ",n/a,", "Supply Chain Emission Factors with Margins"),
    ],
)
def test_wrong_value_is_named(found: str, wrong: str, column: str) -> None:
    assert f"line 2, column {column}" in [
        problem.field for problem in _problems((HEADER + STEEL.replace(found, wrong)).encode())
    ]


def test_header_of_another_file_is_refused() -> None:
    problems = _problems(b"source,code\nnaics,331110\n")
    assert problems[0].field == "line 1, column 2017 NAICS Code"


def test_published_files_have_1016_sectors_each() -> None:
    assert len({record.code for record in _read(CO2E_FILE)}) == 1016
    assert [record.code for record in _read(BY_GAS_FILE)] == [record.code for record in _read(CO2E_FILE)]


def test_gases_under_ar5_reproduce_the_published_co2e() -> None:
    differences = _differences("AR5")
    assert len(differences) == 1016
    assert max(differences) < 0.0044
    assert sum(difference <= 0.001 for difference in differences) == 998


def test_gases_under_ar4_do_not_reproduce_it() -> None:
    differences = _differences("AR4")
    assert 0.08 < max(differences) < 0.09
    assert sum(difference <= 0.001 for difference in differences) < 998


def test_control_total_of_the_real_spend_sample() -> None:
    factor = {record.code: record.kg_co2e for record in _read(CO2E_FILE)}
    with shared_data("real_spend_sample.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [(row["naics_code"], float(row["amount"])) for row in csv.DictReader(file)]
    lines = [amount * factor[code] for code, amount in rows if amount >= 0 and code in factor]
    assert len(lines) == 5650
    assert math.fsum(lines) == pytest.approx(1_351_494_431.31556, rel=1e-14)


def _read(name: str) -> list[FactorRecord]:
    return epa_v1_3.read(shared_data(name).read_bytes())


def _differences(gwp_set: str) -> list[float]:
    """Return what lies between each sector of the CO2e file and its gases, expressed by the engine under a GWP set."""
    records = _read(BY_GAS_FILE)
    parts = parts_of(*([getattr(of, name) for of in records] for name in ("kg_co2e", "gases", "gwp_set")))
    expressed = ratios(parts, gwp_set) * parts.kg_co2e
    published = [record.kg_co2e for record in _read(CO2E_FILE)]
    return [abs(kg_co2e - of) for kg_co2e, of in zip(expressed.tolist(), published, strict=True)]


def _by_gas(amounts: dict[str, float]) -> bytes:
    units = dict.fromkeys(epa_v1_3.GASES, epa_v1_3.MASS_UNIT) | {epa_v1_3.UNSPECIFIED: epa_v1_3.CO2E_UNIT}
    lines = [
        f'331110,"Iron and Steel Mills","{gas}","{unit}",0,0,{amounts.get(gas, 0.0)},331110\n'
        for gas, unit in units.items()
    ]
    return (HEADER + "".join(lines)).encode()


def _problems(data: bytes) -> tuple[FieldProblem, ...]:
    with pytest.raises(InvalidFactorFile) as caught:
        epa_v1_3.read(data)
    return caught.value.problems
