"""Suppliers whose emissions per unit are unlike those of their industry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from vcci_engine.activities import FloatArray, Positions
from vcci_engine.outliers import THRESHOLD, scores
from vcci_engine.units import conversion, parse

from vcci_server.hotspot_passes import KG, QUANTITY, intensity_tally, numbered
from vcci_server.hotspot_reading import Emissions
from vcci_server.storage.passes import Tally, combine_tallies, no_tally, pass_over
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.sums import Keys, grouped


@dataclass(frozen=True, slots=True)
class Outlier:
    """A supplier unlike its peers in one category."""

    supplier: int
    industry: str
    category: int
    unit: str
    kg_co2e_per_unit: float
    peer_median: float
    score: float
    peers: int
    kg_co2e: float


@dataclass(frozen=True, slots=True)
class Outliers:
    """All outliers, the most unlike first, and how many pairs of supplier and category were compared and not."""

    found: list[Outlier]
    compared: int
    not_compared: int


async def outliers(emissions: Emissions) -> Outliers:
    """Compare suppliers with those of their industry."""
    units: dict[str, int] = {}
    segments = numbered(await emissions.segments(["supplier", "category", "unit", "quantity", "kg_co2e"]), units)
    of_chunk = partial(intensity_tally, chosen=emissions.chosen, units=units)
    tally = await pass_over(emissions.run, segments, of_chunk, combine_tallies, no_tally(3, 2))
    rows = await emissions.db.fetch(QUERIES["supplier_industries"], emissions.tenant_id)
    industries = {row["supplier_id"]: row["industry"] for row in rows}
    return await emissions.run(_compared, tally, [*units], industries)


def _compared(tally: Tally, units: list[str], industries: Mapping[int, str]) -> Outliers:
    """Compare lines: what one supplier sells of one category, in one dimension."""
    if not len(tally):
        return Outliers([], 0, 0)
    supplier, category, unit = tally.keys
    common, scale = _common(units)
    line, first = grouped([supplier, category, common.take(unit)], len(tally))
    names = sorted(set(industries.values()))
    industry = _industries(supplier, industries, names)[first]
    kg_co2e = _sums(tally.amounts(KG), line, unit, units)
    amount = _sums(tally.amounts(QUANTITY) * scale.take(unit), line, unit, units)
    of = np.flatnonzero((industry >= 0) & (kg_co2e > 0) & (amount > 0))
    if not len(of):
        return Outliers([], 0, len(first))
    row = first[of]
    peers, _ = grouped([industry[of], category[row], common.take(unit[row])], len(of))
    intensity = kg_co2e[of] / amount[of]
    z, median = scores(intensity, peers)
    unlike = np.flatnonzero(np.abs(z) > THRESHOLD)
    order = unlike[np.lexsort((category[row][unlike], supplier[row][unlike], -np.abs(z[unlike])))]
    count = np.bincount(peers)
    found = [
        Outlier(
            supplier=int(supplier[row[n]]),
            industry=names[industry[of[n]]],
            category=int(category[row[n]]),
            unit=units[common[unit[row[n]]]],
            kg_co2e_per_unit=float(intensity[n]),
            peer_median=float(median[n]),
            score=float(z[n]),
            peers=int(count[peers[n]]),
            kg_co2e=float(kg_co2e[of[n]]),
        )
        for n in order.tolist()
    ]
    compared = int((~np.isnan(z)).sum())
    return Outliers(found, compared, len(first) - compared)


def _industries(supplier: Keys, industries: Mapping[int, str], names: Sequence[str]) -> Positions:
    """Return the number of each supplier's industry; -1: none."""
    number = {name: n for n, name in enumerate(names)}
    ids, place = np.unique(supplier, return_inverse=True)
    of = [number[industries[each]] if each in industries else -1 for each in ids.tolist()]
    return np.array(of, np.intp)[place]


def _sums(values: FloatArray, line: Positions, unit: Keys, units: Sequence[str]) -> FloatArray:
    """Add up by line, in the order of the units' names: the same however units are numbered."""
    order = np.lexsort((np.argsort(np.argsort(units)).take(unit), line))
    sums = np.zeros(int(line.max()) + 1)
    np.add.at(sums, line[order], values[order])
    return sums


def _common(units: list[str]) -> tuple[Positions, FloatArray]:
    """Return the number of the unit that each is brought to, and how many of it one is."""
    common, scale = np.arange(len(units)), np.ones(len(units))
    firsts: dict[object, int] = {}
    for number in sorted(range(len(units)), key=units.__getitem__):
        unit = parse(units[number])
        if unit is None:
            continue
        first = firsts.setdefault(unit.dimensions, number)
        to = parse(units[first])
        assert to is not None  # it was put there understood
        common[number], scale[number] = first, conversion(unit, to) or 1.0
    return common, scale
