"""How emissions changed from year to year, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import fsum

import numpy as np
from vcci_engine.activities import Positions
from vcci_engine.dates import FIRST_YEAR
from vcci_engine.drivers import Drivers, Year, drivers
from vcci_engine.totals import ug_ints
from vcci_engine.units import parse

from vcci_server.hotspot_reading import Emissions
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.sums import Sums

Kind = tuple[int, str, str, tuple[tuple[str, int], ...]]  # a cell: category, factor's key and region, dimensions
UNKNOWN = "", "", ()  # of the suppliers' own factors, and of reported emissions


@dataclass(frozen=True, slots=True)
class Factor:
    """What a factor is of, and kg CO2e per root unit of it."""

    key: str
    region: str
    dimensions: tuple[tuple[str, int], ...]
    kg_co2e: float


@dataclass(frozen=True, slots=True)
class Change:
    """A change and its parts, kg CO2e."""

    kg_co2e: float
    previous_kg_co2e: float
    activity: float
    mix: float
    factor: float
    unknown: float


@dataclass(frozen=True, slots=True)
class YearChange:
    """The change from one year to another, of all and by category."""

    year: int
    previous_year: int
    change: Change
    categories: dict[int, Change]


async def trends(emissions: Emissions) -> list[YearChange]:
    """Return the changes between the years that have emissions."""
    (sums,) = await emissions.sums(["month", "category", "factor"])
    ids = np.unique(sums.keys[2]).tolist()
    rows = await emissions.db.fetch(QUERIES["factor_details"], emissions.tenant_id, ids)
    return await emissions.run(_changes, sums, {row["factor_id"]: _factor(**row) for row in rows})


def _factor(factor_id: int, key: str, region: str, year: int, unit: str, kg_co2e: float, gsd2: float) -> Factor:
    understood = parse(unit)
    if understood is None:
        return Factor(key, region, (), 0.0)
    return Factor(key, region, understood.dimensions, kg_co2e / float(understood.scale))


def _changes(sums: Sums, factors: Mapping[int, Factor]) -> list[YearChange]:
    years = FIRST_YEAR + sums.keys[0] // 12
    category, factor = sums.keys[1].tolist(), sums.keys[2].tolist()
    kinds = [_kind(*of, factors) for of in zip(category, factor, strict=True)]
    cells = {kind: place for place, kind in enumerate(sorted(set(kinds)))}
    place = np.array([cells[kind] for kind in kinds], np.intp)
    by_year = {
        int(year): _year([*cells], place[years == year], sums.where(years == year), factors)
        for year in np.unique(years)
    }
    return [_change([*cells], *before, *after) for before, after in pairwise(by_year.items())]


def _kind(category: int, factor: int, factors: Mapping[int, Factor]) -> Kind:
    of = factors.get(factor)
    return (category, of.key, of.region, of.dimensions) if of and of.kg_co2e else (category, *UNKNOWN)


def _year(cells: Sequence[Kind], place: Positions, sums: Sums, factors: Mapping[int, Factor]) -> Year:
    """Return a year's cells; the activity is the emissions by the factor, so in its unit."""
    ug = [0] * len(cells)
    activity: list[list[float]] = [[] for _ in cells]
    for cell, factor, value in zip(place.tolist(), sums.keys[2].tolist(), ug_ints(sums.terms.ug), strict=True):
        ug[cell] += value
        if cells[cell][1]:
            activity[cell].append(value / 10**9 / factors[factor].kg_co2e)
    return Year(np.array([value / 10**9 for value in ug]), np.array([fsum(values) for values in activity]))


def _change(cells: Sequence[Kind], previous_year: int, before: Year, year: int, after: Year) -> YearChange:
    pools = {pool: place for place, pool in enumerate(sorted({(cell[0], cell[3]) for cell in cells}))}
    pool = np.array([pools[cell[0], cell[3]] for cell in cells], np.intp)
    parts = drivers(before, after, pool, np.array([bool(cell[1]) for cell in cells]))
    category = np.array([cell[0] for cell in cells])
    present = (before.kg_co2e != 0) | (after.kg_co2e != 0)
    categories = {
        int(number): _sum(parts, before, after, np.flatnonzero(category == number))
        for number in np.unique(category[present])
    }
    return YearChange(year, previous_year, _sum(parts, before, after, np.arange(len(cells))), categories)


def _sum(parts: Drivers, before: Year, after: Year, cells: Positions) -> Change:
    columns = (after.kg_co2e, before.kg_co2e, parts.activity, parts.mix, parts.factor, parts.unknown)
    return Change(*(fsum(column[cells]) for column in columns))
