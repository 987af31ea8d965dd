"""US EPA Supply Chain GHG Emission Factors v1.3, the CO2e file and the file by gas, as published."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from vcci_engine.gwp import co2e_of, weights

from vcci_server.importers.csv_rows import Row, read_rows
from vcci_server.importers.problems import Problems
from vcci_server.importers.record import GSD2_BASIC, GSD2_INFRASTRUCTURE, GSD2_TRANSPORT, TEXT, FactorRecord

CODE, TITLE, GHG, UNIT = "2017 NAICS Code", "2017 NAICS Title", "GHG", "Unit"
VALUE_COLUMNS = {
    "with": "Supply Chain Emission Factors with Margins",
    "without": "Supply Chain Emission Factors without Margins",
}
BOTH = "both"
WITHOUT = ".without_margins"  # of the codes without, where both are taken
PRICE_YEAR = 2022
MASS_UNIT = "kg/2022 USD, purchaser price"
CO2E_UNIT = "kg CO2e/2022 USD, purchaser price"

GWP_SET = "AR5"

# The file's names of gases, to the IPCC's short ones.
GASES: Mapping[str, str] = {
    "Carbon dioxide": "CO2",
    "Methane": "CH4",
    "Nitrous oxide": "N2O",
    "Sulfur hexafluoride": "SF6",
    "Nitrogen trifluoride": "NF3",
    "Carbon tetrafluoride": "CF4",
    "Hexafluoroethane": "C2F6",
    "Perfluoropropane": "C3F8",
    "Perfluorobutane": "C4F10",
    "Perfluorocyclobutane": "cC4F8",
    "Perfluorohexane": "C6F14",
    "HFC-23": "HFC23",
    "HFC-32": "HFC32",
    "HFC-125": "HFC125",
    "HFC-134a": "HFC134a",
    "HFC-143a": "HFC143a",
    "HFC-236fa": "HFC236fa",
}
ALL_GASES = "All GHGs"
UNSPECIFIED = "HFCs and PFCs, unspecified"  # published as CO2e only
_PARTS: Mapping[str, str] = {**GASES, UNSPECIFIED: co2e_of(GWP_SET)}
_NAICS = re.compile(r"\d{6}", re.ASCII)


@dataclass(slots=True)
class _Sector:
    line: int
    title: str
    amounts: dict[str, float] = field(default_factory=dict)  # kg, or kg CO2e, by the file's name of the gas


def read(data: bytes, *, margins: str = "with") -> list[FactorRecord]:
    """Return one factor per NAICS sector, kg CO2e per 2022 USD at purchaser price, or with `both` margins two.

    From the file by gas it is the sum of gas x AR5 GWP plus the CO2e of the unspecified gases.
    """
    if margins == BOTH:
        without = [replace(record, code=record.code + WITHOUT) for record in read(data, margins="without")]
        return [*read(data), *without]
    if margins not in VALUE_COLUMNS:
        raise ValueError(f"margins is 'with', 'without' or 'both', not {margins!r}")
    problems = Problems()
    value = VALUE_COLUMNS[margins]
    sectors = _sectors(read_rows(data, problems, (CODE, TITLE, GHG, UNIT, value)), value, problems)
    for code, sector in sectors.items():
        if sector.amounts.keys() not in ({ALL_GASES}, _PARTS.keys()):
            problems.add(sector.line, GHG, code, f"either one line '{ALL_GASES}' or the {len(_PARTS)} gases of v1.3")
    problems.raise_if_any()
    return [_record(code, sector, margins) for code, sector in sectors.items()]


def _sectors(rows: Iterable[Row], value: str, problems: Problems) -> dict[str, _Sector]:
    sectors: dict[str, _Sector] = {}
    for row in rows:
        code = row.text(CODE, _NAICS.fullmatch, "a NAICS code of six digits")
        sector = sectors.setdefault(code, _Sector(row.line, row.text(TITLE, TEXT.fullmatch, "the sector's title")))
        gas = row.choice(GHG, (ALL_GASES, UNSPECIFIED, *GASES))
        row.choice(UNIT, (MASS_UNIT if gas in GASES else CO2E_UNIT,))
        if gas in sector.amounts:
            problems.add(row.line, GHG, gas, f"each gas once for {code}")
        sector.amounts[gas] = row.number(value)
    return sectors


def _record(code: str, sector: _Sector, margins: str) -> FactorRecord:
    gases = {short: sector.amounts[name] for name, short in _PARTS.items() if name in sector.amounts}
    parts = zip(gases.values(), weights(gases, GWP_SET).tolist(), strict=True)
    kg_co2e = math.fsum(amount * gwp for amount, gwp in parts) if gases else sector.amounts[ALL_GASES]
    return FactorRecord(
        source="naics",
        code=code,
        name=sector.title,
        region="US",
        year=PRICE_YEAR,
        unit="USD",
        kg_co2e=kg_co2e,
        gases=gases,
        gwp_set=GWP_SET,
        gsd2=_gsd2(code),
        price_year=PRICE_YEAR,
        price_basis="purchaser",
        margins=margins,
        source_note=_citation("by gas x AR5 GWP" if gases else "CO2e", margins),
    )


def _gsd2(code: str) -> float:
    if code.startswith("23"):
        return GSD2_INFRASTRUCTURE
    return GSD2_TRANSPORT if code.startswith(("48", "49")) else GSD2_BASIC


def _citation(file: str, margins: str) -> str:
    return f"US EPA, Supply Chain GHG Emission Factors v1.3 by NAICS-6, {file}, {margins} margins, doi 10.23719/1531143"
