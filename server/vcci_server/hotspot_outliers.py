"""Suppliers whose emissions per unit are unlike those of their industry."""

from collections.abc import Mapping
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
from vcci_server.storage.sums import Keys


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


@dataclass(frozen=True, slots=True)
class _Lines:
    """What suppliers buy of one category in one dimension; parallel."""

    supplier: Keys
    category: Keys
    unit: Keys  # number of the dimension's unit
    kg_co2e: FloatArray
    amount: FloatArray  # in that unit


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
    lines = _lines(tally, units)
    industry = [industries.get(number, "") for number in lines.supplier.tolist()]
    usable = (lines.kg_co2e > 0) & (lines.amount > 0) & np.array([bool(text) for text in industry], np.bool_)
    of = np.flatnonzero(usable)
    intensity = lines.kg_co2e[of] / lines.amount[of]
    peers = _numbers([(industry[n], int(lines.category[n]), int(lines.unit[n])) for n in of.tolist()])
    z, median = scores(intensity, peers)
    count = np.bincount(peers)
    unlike = np.flatnonzero(np.abs(z) > THRESHOLD)
    order = unlike[np.lexsort((lines.category[of][unlike], lines.supplier[of][unlike], -np.abs(z[unlike])))]
    compared = int((~np.isnan(z)).sum())
    found = [
        Outlier(
            supplier=int(lines.supplier[of[n]]),
            industry=industry[of[n]],
            category=int(lines.category[of[n]]),
            unit=units[lines.unit[of[n]]],
            kg_co2e_per_unit=float(intensity[n]),
            peer_median=float(median[n]),
            score=float(z[n]),
            peers=int(count[peers[n]]),
            kg_co2e=float(lines.kg_co2e[of[n]]),
        )
        for n in order.tolist()
    ]
    return Outliers(found, compared, len(lines.supplier) - compared)


def _lines(tally: Tally, units: list[str]) -> _Lines:
    """Bring the units of one dimension to one of them, the first by name, and add up."""
    supplier, category, unit = tally.keys
    common, scale = _common(units)
    kg_co2e, amount = tally.amounts(KG), tally.amounts(QUANTITY) * scale.take(unit)
    key = np.stack([supplier, category, common.take(unit)], axis=1)
    groups, place = np.unique(key, axis=0, return_inverse=True)
    order = np.lexsort((np.array(units)[unit] if len(unit) else unit, place))  # the same order of sums however numbered
    sums = [np.zeros(len(groups)) for _ in range(2)]
    for of, values in zip(sums, (kg_co2e, amount), strict=True):
        np.add.at(of, place[order], values[order])
    return _Lines(groups[:, 0], groups[:, 1], groups[:, 2], sums[0], sums[1])


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


def _numbers(kinds: list[tuple[str, int, int]]) -> Positions:
    number = {kind: n for n, kind in enumerate(sorted(set(kinds)))}
    return np.array([number[kind] for kind in kinds], np.intp)
