"""The calculation as plain Python, one row at a time: slow, and written apart from the engine's tables."""

from dataclasses import dataclass
from datetime import timedelta
from math import log, prod, sqrt

import pint
from vcci_engine.dates import EPOCH
from vcci_engine.results import Notice, Reason

from tests.engine.samples import FACTORS, Row, day

PEDIGREE = (
    (1.0, 1.05, 1.10, 1.20, 1.50),
    (1.0, 1.02, 1.05, 1.10, 1.20),
    (1.0, 1.03, 1.10, 1.20, 1.50),
    (1.0, 1.01, 1.02, 1.02, 1.10),
    (1.0, 1.0, 1.20, 1.50, 2.00),
)
ALPHA_2 = {"": "", "DE": "DE", "DEU": "DE", "fr": "FR", "US": "US"}
MULTIPLIER_UNITS = {"distance": "km", "days": "day", "share": ""}
REGISTRY: pint.UnitRegistry[float] = pint.UnitRegistry()
REGISTRY.define("USD = [USD]")


@dataclass(frozen=True)
class Result:
    """What one row should give."""

    factor: int
    method: int
    notices: frozenset[Notice]
    kg_co2e: float
    sigma: float


def calculated(row: Row) -> Result | Reason:
    """Return the result of a row whose fields are all right by themselves, or why it cannot be calculated."""
    year = (EPOCH + timedelta(day(row.period))).year
    found, notices = _factor(row.factor, ALPHA_2[row.country], year)
    spend = found is not None and found[4] == "USD"
    possible = {1: "supplier_factor" in row.inputs, 2: found is not None and not spend, 3: spend}
    method = next((number for number in (1, 2, 3) if number >= row.method and possible[number]), 0)
    if method == 0:
        nowhere = Reason.NO_FACTOR_FOR_REGION if row.country else Reason.AMBIGUOUS_FACTOR
        return nowhere if found is None else Reason.MISSING_INPUT
    multipliers = {name: value for name, value in row.inputs.items() if name != "supplier_factor"}
    amount = row.quantity * prod(multipliers.values())
    if method == 1:
        return Result(0, 1, frozenset(), amount * row.inputs["supplier_factor"], _sigma(row.quality, 1.05))
    assert found is not None
    own = REGISTRY.Quantity(1.0, row.unit) * prod(
        (REGISTRY.Quantity(1.0, MULTIPLIER_UNITS[name]) for name in multipliers), start=REGISTRY.Quantity(1.0, "")
    )
    factor_unit = REGISTRY.Unit(found[4].replace("m3", "m**3"))
    if own.dimensionality != factor_unit.dimensionality:
        return Reason.INCOMPATIBLE_UNIT
    if (row.method or 1) < method:
        downgrades = {
            (1, 2): Notice.AVERAGE_DATA_INSTEAD_OF_SUPPLIER_SPECIFIC,
            (1, 3): Notice.SPEND_BASED_INSTEAD_OF_SUPPLIER_SPECIFIC,
            (2, 3): Notice.SPEND_BASED_INSTEAD_OF_AVERAGE_DATA,
        }
        notices |= {downgrades[row.method or 1, method]}
    scale = own.to(factor_unit).magnitude
    return Result(found[0], method, notices, amount * scale * found[5], _sigma(row.quality, found[6]))


def _factor(
    key: str, country: str, year: int
) -> tuple[tuple[int, str, str, int, str, float, float] | None, frozenset[Notice]]:
    of_key = [factor for factor in FACTORS if factor[1] == key]
    regions = {factor[2] for factor in of_key}
    notices: set[Notice] = set()
    region = country
    if len(regions) == 1:
        region = min(regions)
        if country and not region:
            notices.add(Notice.WORLD_FACTOR)
        elif region != country:
            notices.add(Notice.OTHER_REGION_FACTOR)
    elif not country or country not in regions:
        if "" not in regions:
            return None, frozenset()
        region = ""
        notices.add(Notice.WORLD_FACTOR)
    by_year = {factor[3]: factor for factor in of_key if factor[2] == region}
    earlier = [candidate for candidate in by_year if candidate <= year]
    used = max(earlier) if earlier else min(by_year)
    if used != year:
        notices.add(Notice.EARLIER_FACTOR_YEAR if used < year else Notice.LATER_FACTOR_YEAR)
    return by_year[used], frozenset(notices)


def _sigma(quality: int, gsd2_of_factor: float) -> float:
    scores = [int(digit) for digit in f"{quality:05x}"]
    parts = [log(of_score[(score or 5) - 1]) / 2 for of_score, score in zip(PEDIGREE, scores, strict=True)]
    return sqrt(sum(part * part for part in [*parts, log(gsd2_of_factor) / 2]))
