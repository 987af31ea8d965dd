"""Finding each row's factor: two look-ups, (key, region) and (what was found, year), never a decision in Python.

K keys, then one that stands for no key; R regions, then one that stands for any other country; G pairs of key and
region, then one that stands for no factor; Y years; F factors, then one that stands for the supplier's own and one
that stands for emissions as they are reported.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vcci_engine.activities import FloatArray, IndexArray, Positions
from vcci_engine.dates import YEAR
from vcci_engine.methods.method import Data
from vcci_engine.results import Notice
from vcci_engine.uncertainty import SIGMA2_BASIC
from vcci_engine.units import Unit, parse

YearArray = npt.NDArray[np.int32]

WORLD = ""


@dataclass(frozen=True, slots=True)
class FactorLookup:
    """The tables of one factor set."""

    key: Mapping[str, int]  # to K
    region: Mapping[str, int]  # to R, without the world
    group: npt.NDArray[np.int32]  # [K + 1, R + 1] to G
    group_notice: npt.NDArray[np.uint16]  # [K + 1, R + 1], bits
    factor: npt.NDArray[np.int32]  # [G + 1, Y] to F
    year_column: Positions  # day (dates.day_index) to Y
    units: tuple[Unit | None, ...]  # None: not understood
    by_id: Positions  # [F + 2], the positions in the order of the ids
    # Columns of the factors, [F + 2].
    id: IndexArray  # 0 is the supplier's own, and reported
    year: YearArray
    unit: Positions  # index into `units`; one beyond them for the supplier's own, two for reported
    data: npt.NDArray[np.uint8]  # Data that a row has with this factor
    kg_co2e: FloatArray
    sigma2: FloatArray  # variance of ln(factor): (ln(GSD2) / 2) ** 2


def resolve(
    lookup: FactorLookup, key: Positions, region: Positions, day: Positions
) -> tuple[Positions, npt.NDArray[np.uint16]]:
    """Return each row's factor (F: none) and bits of notices, for its key, its region and its day (dates.day_index).

    The region is exact, else the world; a key with one region only stands for every other too. The year is exact, else
    the nearest earlier, else the earliest.
    """
    pair = key * np.intp(lookup.group.shape[1]) + region
    group = lookup.group.take(pair).astype(np.intp)
    factor = lookup.factor.take(group * np.intp(lookup.factor.shape[1]) + lookup.year_column.take(day)).astype(np.intp)
    year, factor_year = YEAR.take(day), lookup.year.take(factor)
    notices = lookup.group_notice.take(pair)
    notices |= (factor_year < year) * np.uint16(1 << Notice.EARLIER_FACTOR_YEAR)
    notices |= (factor_year > year) * np.uint16(1 << Notice.LATER_FACTOR_YEAR)
    return factor, notices


def build_lookup(
    index: Mapping[str, tuple[int, int]],
    id_: IndexArray,
    region: Sequence[str],
    year: YearArray,
    unit: Sequence[str],
    kg_co2e: FloatArray,
    sigma2: FloatArray,
) -> FactorLookup:
    """Return the tables of factors that are sorted by key, region and year."""
    groups = _groups(index, region)
    regions = {name: number for number, name in enumerate(sorted(set(region) - {WORLD}))}
    group, group_notice = _region_tables(groups, regions)
    years = np.unique(year)
    parsed = {text: parse(text) for text in unit}
    unit_number = {text: number for number, text in enumerate(parsed)}
    ids = np.append(id_, np.zeros(2, np.uint32))
    return FactorLookup(
        key={key: number for number, key in enumerate(index)},
        region=regions,
        group=group,
        group_notice=group_notice,
        factor=_year_table(groups, year, years),
        year_column=np.searchsorted(years[1:], YEAR, side="right"),
        units=tuple(parsed.values()),
        by_id=np.argsort(ids, kind="stable"),
        id=ids,
        year=np.append(year, np.zeros(2, np.int32)),
        unit=np.array([*(unit_number[text] for text in unit), len(parsed), len(parsed) + 1], np.intp),
        data=np.array([*(_data(parsed[text]) for text in unit), 0, 0], np.uint8),
        kg_co2e=np.append(kg_co2e, [0.0, 1.0]),
        sigma2=np.append(sigma2, [SIGMA2_BASIC, SIGMA2_BASIC]),
    )


def _groups(index: Mapping[str, tuple[int, int]], region: Sequence[str]) -> list[dict[str, list[int]]]:
    """The factors of each key by region."""
    keys: list[dict[str, list[int]]] = []
    for start, stop in index.values():
        by_region: dict[str, list[int]] = {}
        for factor in range(start, stop):
            by_region.setdefault(region[factor], []).append(factor)
        keys.append(by_region)
    return keys


def _region_tables(
    keys: Sequence[Mapping[str, Sequence[int]]], regions: Mapping[str, int]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint16]]:
    count = sum(map(len, keys))
    group = np.full((len(keys) + 1, len(regions) + 1), count, np.int32)
    notice = np.zeros(group.shape, np.uint16)
    next_group = 0
    for key, by_region in enumerate(keys):
        of_region = {name: next_group + number for number, name in enumerate(by_region)}
        next_group += len(by_region)
        if len(of_region) == 1 or WORLD in of_region:
            group[key] = of_region.get(WORLD, next_group - 1)
        exact = {regions[name]: number for name, number in of_region.items() if name != WORLD}
        if exact:
            told = Notice.WORLD_FACTOR if WORLD in of_region else Notice.OTHER_REGION_FACTOR
            notice[key] = (group[key] < count) * np.uint16(1 << told)
            notice[key, list(exact)] = 0
            group[key, list(exact)] = list(exact.values())
    return group, notice


def _year_table(
    keys: Sequence[Mapping[str, Sequence[int]]], year: YearArray, years: YearArray
) -> npt.NDArray[np.int32]:
    """The factor of each group by the set's years: the newest until then, else the group's first."""
    rows = [factors for by_region in keys for factors in by_region.values()]
    table = np.full((len(rows) + 1, max(len(years), 1)), -1, np.int32)
    table[-1] = len(year)
    for number, factors in enumerate(rows):
        table[number, np.searchsorted(years, year[factors])] = factors
    table = np.maximum.accumulate(table, axis=1)
    first = np.array([*(factors[0] for factors in rows), len(year)], np.int32)
    return np.where(table < 0, first[:, None], table)


def _data(unit: Unit | None) -> Data:
    if unit is None:
        return Data(0)
    return Data.SPEND_FACTOR if unit.is_money else Data.PHYSICAL_FACTOR
