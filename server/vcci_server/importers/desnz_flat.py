"""UK DESNZ greenhouse gas conversion factors, the flat file, as published."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vcci_engine.gwp import BIOGENIC_CO2, GWP

from vcci_server.importers.desnz_names import COUNTRIES, UNITS, code_of, distinct, is_transport
from vcci_server.importers.desnz_sheet import Activity, read_sheet
from vcci_server.importers.problems import Problems
from vcci_server.importers.record import CODE, GSD2_BASIC, GSD2_TRANSPORT, TEXT, FactorRecord

PUBLICATION = "UK DESNZ, Greenhouse gas reporting: conversion factors"
TOTAL = "kg CO2e"
PARTS: Mapping[str, str] = {  # of the total, in kg CO2e as well
    "kg CO2e of CO2 per unit": "CO2",
    "kg CO2e of CH4 per unit": "CH4",
    "kg CO2e of N2O per unit": "N2O",
}
ENERGY = ("kWh (Net CV)", "kWh (net)")  # energy per distance, for SECR reports: no emissions
OUTSIDE_SCOPES = "Outside of Scopes"
HOTEL_STAY = "Hotel stay"
GWP_SET = "AR5"
ROUNDING = 2e-5 + 1e-9  # four figures, each rounded to five decimals


@dataclass(frozen=True, slots=True)
class FlatFile:
    """What a flat file holds."""

    records: list[FactorRecord]
    outside_scopes: list[FactorRecord]  # biogenic CO2, reported beside the total: their kg_co2e is 0
    blank_rows: int  # left without a number by the publisher
    energy_rows: int  # energy per distance


def read(data: bytes, *, region: str = "GB") -> list[FactorRecord]:
    """Return the factors, those outside of scopes last. Hotel stays have their own country, all others `region`."""
    file = parse(data, region=region)
    return [*file.records, *file.outside_scopes]


def parse(data: bytes, *, region: str = "GB") -> FlatFile:
    """Return the factors, and how many rows hold none."""
    problems = Problems()
    sheet = read_sheet(data, problems)
    energy = [activity for activity in sheet.activities if _is_energy(activity)]
    factors = [activity for activity in sheet.activities if not _is_energy(activity)]
    _check_codes(factors, problems)
    file = FlatFile(
        records=[_record(activity, sheet.year, region, problems) for activity in factors if _in_scopes(activity)],
        outside_scopes=[
            _biogenic(activity, sheet.year, region, problems) for activity in factors if not _in_scopes(activity)
        ],
        blank_rows=sheet.blank_rows,
        energy_rows=sum(len(activity.amounts) for activity in energy),
    )
    problems.raise_if_any()
    return file


def _is_energy(activity: Activity) -> bool:
    return not activity.amounts.keys().isdisjoint(ENERGY)


def _in_scopes(activity: Activity) -> bool:
    return activity.scope != OUTSIDE_SCOPES


def _check_codes(activities: Sequence[Activity], problems: Problems) -> None:
    lines: dict[str, int] = {}
    for activity in activities:
        code = _code(activity)
        if not CODE.fullmatch(code):
            problems.add(activity.line, "Level 1", code, "letters and digits that make a code of 1 to 200 characters")
        earlier = lines.setdefault(code, activity.line)
        if earlier != activity.line:
            problems.add(activity.line, "Level 1", code, f"a name that differs from that in line {earlier}")


def _record(activity: Activity, year: int, region: str, problems: Problems) -> FactorRecord:
    total = activity.amounts.get(TOTAL, 0.0)
    parts = {gas: activity.amounts[label] for label, gas in PARTS.items() if label in activity.amounts}
    if TOTAL not in activity.amounts or not activity.amounts.keys() <= {TOTAL, *PARTS}:
        labels = ", ".join(activity.amounts)
        problems.add(activity.line, "GHG/Unit", labels, f"{TOTAL}, or with it {', '.join(PARTS)}")
    elif parts and abs(math.fsum(parts.values()) - total) > ROUNDING:
        problems.add(activity.line, "GHG/Unit", str(total), f"the sum of its gases, {math.fsum(parts.values()):.5f}")
    gases = {gas: amount / GWP[GWP_SET][gas] for gas, amount in parts.items()}
    return _factor(activity, year, region, total, gases, problems)


def _biogenic(activity: Activity, year: int, region: str, problems: Problems) -> FactorRecord:
    (label, amount), *further = activity.amounts.items()
    if further or PARTS.get(label) != "CO2":
        problems.add(activity.line, "GHG/Unit", ", ".join(activity.amounts), "CO2 only, outside of scopes")
    return _factor(activity, year, region, 0.0, {BIOGENIC_CO2: amount}, problems)


def _factor(
    activity: Activity, year: int, region: str, kg_co2e: float, gases: Mapping[str, float], problems: Problems
) -> FactorRecord:
    unit, _ = UNITS.get(activity.unit, ("", ""))
    if not unit:
        problems.add(activity.line, "UOM", activity.unit, "one of " + ", ".join(UNITS))
    return FactorRecord(
        source="desnz",
        code=_code(activity),
        name=_text(activity, ", ".join(distinct((*activity.levels, activity.unit))), problems),
        region=_country(activity, problems) if activity.levels[0] == HOTEL_STAY else region,
        year=year,
        unit=unit,
        kg_co2e=kg_co2e,
        gases=gases,
        gwp_set=GWP_SET,
        gsd2=GSD2_TRANSPORT if is_transport(activity.levels[0]) else GSD2_BASIC,
        price_year=0,
        price_basis="",
        margins="",
        source_note=_text(
            activity, f"{PUBLICATION} {year}, OGL v3.0; {activity.levels[0]}, row {activity.row_id}", problems
        ),
    )


def _text(activity: Activity, text: str, problems: Problems) -> str:
    if not TEXT.fullmatch(text):
        problems.add(activity.line, "Level 1", text, "levels of 1 to 500 characters in all, on one line")
    return text


def _code(activity: Activity) -> str:
    return code_of(activity.levels, UNITS.get(activity.unit, ("", ""))[1])


def _country(activity: Activity, problems: Problems) -> str:
    name = activity.levels[2]
    if name not in COUNTRIES:
        problems.add(activity.line, "Level 3", name, "a country, as in the flat file of 2025")
    return COUNTRIES.get(name, "")
