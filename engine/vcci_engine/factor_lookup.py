"""Finding each row's factor: two look-ups, (key, region) and (what was found, year), never a decision in Python.

K keys, then one that stands for no key; R regions, then one that stands for any other country and one for a country
that is not known; G pairs of key and region, then one that stands for no factor; Y years that stand next to each other,
the first and the last for all that are beyond; F factors, then one that stands for the supplier's own and one that
stands for emissions as they are reported; T targets, then one for either of these.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from vcci_engine.activities import FloatArray, IndexArray, Positions
from vcci_engine.dates import YEAR
from vcci_engine.fuels import Fuel, fuel_of, is_net
from vcci_engine.methods.method import Data
from vcci_engine.methods.multipliers import MARGINS, PRICE_BASES
from vcci_engine.price_variants import variants_of
from vcci_engine.prices import Prices
from vcci_engine.regions import MEMBERS, WORLD
from vcci_engine.results import Notice
from vcci_engine.uncertainty import SIGMA2_BASIC
from vcci_engine.units import KG_CO2E, Unit, parse

YearArray = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Target:
    """What an amount is converted to: the unit of a factor, and what else decides the scale."""

    unit: Unit | None  # None: not understood, or the amount's own
    price_year: int = 0  # of a factor per unit of money; 0: of no year
    year: int = 0  # of the row's period, where the factor is per unit of money
    fuel: Fuel | None = None  # that the factor is for
    net: bool = False  # energy is by net calorific value


@dataclass(frozen=True, slots=True)
class FactorLookup:
    """The tables of one factor set."""

    key: Mapping[str, int]  # to K
    variants: Mapping[str, tuple[int, ...]]  # of keys that have some, to K by price_variants.said
    region: Mapping[str, int]  # countries to R
    group: npt.NDArray[np.int32]  # [K + 1, R + 2] to G
    group_notice: npt.NDArray[np.uint16]  # [K + 1, R + 2], bits
    factor: npt.NDArray[np.int32]  # [G + 1, Y] to F
    year_notice: npt.NDArray[np.uint16]  # [G + 1, Y], bits
    target: npt.NDArray[np.int32]  # [G + 1, Y] to T
    year_column: Positions  # day (dates.day_index) to Y
    targets: tuple[Target, ...]  # T + 2
    by_id: Positions  # [F + 2], the positions in the order of the ids
    # Columns of the factors, [F + 2].
    id: IndexArray  # 0 is the supplier's own, and reported
    data: npt.NDArray[np.uint8]  # Data that a row has with this factor
    kg_co2e: FloatArray
    sigma2: FloatArray  # variance of ln(factor): (ln(GSD2) / 2) ** 2
    price_year: YearArray  # 0: of none
    price_basis: npt.NDArray[np.uint8]  # index into PRICE_BASES
    margins: npt.NDArray[np.uint8]  # index into MARGINS


@dataclass(frozen=True, slots=True)
class Found:
    """Each row's factor (F: none), what its amount is converted to, and bits of notices."""

    factor: Positions
    target: npt.NDArray[np.int32]
    notices: npt.NDArray[np.uint16]


def resolve(lookup: FactorLookup, key: Positions, region: Positions, day: Positions) -> Found:
    """Return each row's factor for its key, its region and its day (dates.day_index).

    The region is exact, else the narrowest wider one (regions.MEMBERS), else the world; a key with one region only
    stands for every other too. The year is exact, else the nearest earlier, else the earliest.
    """
    pair = key * np.intp(lookup.group.shape[1])
    pair += region
    cell = lookup.group.take(pair).astype(np.intp)
    cell *= lookup.factor.shape[1]
    cell += lookup.year_column.take(day)
    notices = lookup.group_notice.take(pair)
    notices |= lookup.year_notice.take(cell)
    return Found(lookup.factor.take(cell).astype(np.intp), lookup.target.take(cell), notices)


def build_lookup(
    index: Mapping[str, tuple[int, int]],
    id_: IndexArray,
    region: Sequence[str],
    year: YearArray,
    unit: Sequence[str],
    kg_co2e: FloatArray,
    sigma2: FloatArray,
    price_year: YearArray,
    price_basis: Sequence[str],
    margins: Sequence[str],
    prices: Prices,
) -> FactorLookup:
    """Return the tables of factors that are sorted by key, region and year."""
    groups = _groups(index, region)
    regions = {name: number for number, name in enumerate(_countries(region))}
    group, group_notice = _region_tables(groups, regions)
    parsed = {text: parse(text) for text in unit}
    money = np.array([_is_money(parsed[text]) for text in unit], np.bool_)
    years = _years(year, [*price_year[money].tolist(), *prices.years] if money.any() else ())
    factor = _year_table(groups, year, years)
    units = [parsed[text] for text in unit]
    targets, first = _targets(_keys(index), units, price_year, years)
    own = np.array([len(targets), len(targets) + 1], np.int32)
    column = np.where(np.append(money, [False, False]).take(factor), np.arange(len(years)), 0)
    ids = np.append(id_, np.zeros(2, np.uint32))
    return FactorLookup(
        key={key: number for number, key in enumerate(index)},
        variants=variants_of(index, price_basis, margins),
        region=regions,
        group=group,
        group_notice=group_notice,
        factor=factor,
        year_notice=_year_notices(factor, year, years) | _price_notices(factor, money * price_year, years, prices),
        target=(np.append(first, own).take(factor) + column).astype(np.int32),
        year_column=np.clip(YEAR - years[0], 0, len(years) - 1).astype(np.intp),
        targets=(*targets, Target(None), Target(parse(KG_CO2E))),
        by_id=np.argsort(ids, kind="stable"),
        id=ids,
        data=np.array([*map(_data, units), 0, 0], np.uint8),
        kg_co2e=np.append(kg_co2e, [0.0, 1.0]),
        sigma2=np.append(sigma2, [SIGMA2_BASIC, SIGMA2_BASIC]),
        price_year=np.append(price_year, np.zeros(2, np.int32)),
        price_basis=np.array([*map(PRICE_BASES.index, price_basis), 0, 0], np.uint8),
        margins=np.array([*map(MARGINS.index, margins), 0, 0], np.uint8),
    )


def by_ids(lookup: FactorLookup) -> FactorLookup:
    """Return a lookup whose keys are the factors' ids: each is found wherever and whenever it is asked for."""
    count, years = len(lookup.id) - 2, lookup.factor.shape[1]
    place = np.zeros(count + 1, np.intp)
    place[lookup.factor.ravel()] = np.arange(lookup.factor.size)  # a cell that has the factor: one has its own year
    column = np.array([bool(target.year) for target in lookup.targets]).take(lookup.target.take(place))
    first = lookup.target.take(place) - column * (place % years)
    every = np.arange(count + 1, dtype=np.int32)
    return replace(
        lookup,
        key={str(number): factor for factor, number in enumerate(lookup.id[:count].tolist())},
        variants={},
        region={},
        group=np.stack([every, every], axis=1),
        group_notice=np.zeros((count + 1, 2), np.uint16),
        factor=np.repeat(every[:, None], years, axis=1),
        year_notice=np.zeros((count + 1, years), np.uint16),
        target=(first[:, None] + column[:, None] * np.arange(years)).astype(np.int32),
    )


def _keys(index: Mapping[str, tuple[int, int]]) -> list[str]:
    """The key of each factor."""
    return [key for key, (start, stop) in index.items() for _ in range(start, stop)]


def _years(year: YearArray, others: Iterable[int]) -> YearArray:
    """All years from before the first that matters until after the last."""
    matter = {*year.tolist(), *others} - {0} or {int(YEAR[0])}
    return np.arange(min(matter) - 1, max(matter) + 2, dtype=np.int32)


def _targets(
    keys: Sequence[str], units: Sequence[Unit | None], price_year: YearArray, years: YearArray
) -> tuple[list[Target], npt.NDArray[np.int32]]:
    """The distinct targets, and which is each factor's; a factor per unit of money has one for each year, in a row."""
    targets: list[Target] = []
    place: dict[Target, int] = {}
    first = np.zeros(len(keys), np.int32)
    for number, (key, unit, of_year) in enumerate(zip(keys, units, price_year.tolist(), strict=True)):
        fuel = None if _is_money(unit) else fuel_of(key)
        target = Target(unit, of_year, fuel=fuel, net=fuel is not None and is_net(key))
        if target not in place:
            place[target] = len(targets)
            each = [replace(target, year=year) for year in years.tolist()] if _is_money(unit) else [target]
            targets.extend(each)
        first[number] = place[target]
    return targets, first


def _groups(index: Mapping[str, tuple[int, int]], region: Sequence[str]) -> list[dict[str, list[int]]]:
    """The factors of each key by region."""
    keys: list[dict[str, list[int]]] = []
    for start, stop in index.values():
        by_region: dict[str, list[int]] = {}
        for factor in range(start, stop):
            by_region.setdefault(region[factor], []).append(factor)
        keys.append(by_region)
    return keys


def _countries(region: Sequence[str]) -> list[str]:
    """The countries that factors are for, alone or within a wider region."""
    countries = {country for name in set(region) for country in MEMBERS.get(name, (name,))}
    return sorted(countries - {WORLD})


def _region_tables(
    keys: Sequence[Mapping[str, Sequence[int]]], regions: Mapping[str, int]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint16]]:
    count = sum(map(len, keys))
    group = np.full((len(keys) + 1, len(regions) + 2), count, np.int32)
    notice = np.zeros(group.shape, np.uint16)
    next_group = 0
    for key, by_region in enumerate(keys):
        of_region = {name: next_group + number for number, name in enumerate(by_region)}
        next_group += len(by_region)
        if len(of_region) == 1 or WORLD in of_region:
            group[key] = of_region.get(WORLD, next_group - 1)
        told = Notice.WORLD_FACTOR if WORLD in of_region else Notice.OTHER_REGION_FACTOR
        notice[key] = (group[key] < count) * np.uint16(1 << told)
        if of_region.keys() == {WORLD}:
            notice[key, -1] = 0  # no country was asked for, and there is none to prefer
        for name in _widest_first(of_region):
            countries = [regions[country] for country in MEMBERS.get(name, (name,))]
            group[key, countries] = of_region[name]
            notice[key, countries] = (name in MEMBERS) * np.uint16(1 << Notice.WIDER_REGION_FACTOR)
    return group, notice


def _widest_first(names: Iterable[str]) -> list[str]:
    """Regions but the world, those with most countries first, countries themselves last: the last one counts."""
    return sorted(set(names) - {WORLD}, key=lambda name: (name not in MEMBERS, -len(MEMBERS.get(name, ())), name))


def _year_table(
    keys: Sequence[Mapping[str, Sequence[int]]], year: YearArray, years: YearArray
) -> npt.NDArray[np.int32]:
    """The factor of each group by year: the newest until then, else the group's first."""
    rows = [factors for by_region in keys for factors in by_region.values()]
    table = np.full((len(rows) + 1, len(years)), -1, np.int32)
    table[-1] = len(year)
    for number, factors in enumerate(rows):
        table[number, np.searchsorted(years, year[factors])] = factors
    table = np.maximum.accumulate(table, axis=1)
    first = np.array([*(factors[0] for factors in rows), len(year)], np.int32)
    return np.where(table < 0, first[:, None], table)


def _year_notices(factor: npt.NDArray[np.int32], year: YearArray, years: YearArray) -> npt.NDArray[np.uint16]:
    """What is told of the years of factors that are used in others."""
    used = np.append(year, np.int32(0)).take(factor)
    notices = (used < years) * np.uint16(1 << Notice.EARLIER_FACTOR_YEAR)
    notices |= (used > years) * np.uint16(1 << Notice.LATER_FACTOR_YEAR)
    return np.where(factor == len(year), np.uint16(0), notices)


def _price_notices(
    factor: npt.NDArray[np.int32], price_year: YearArray, years: YearArray, prices: Prices
) -> npt.NDArray[np.uint16]:
    """What is told of factors at the prices of another year; an amount without a price index gets no further."""
    of = np.append(price_year, np.zeros(1, np.int32)).take(factor)
    told = np.uint16(1 << (Notice.DEFLATED if prices.set_id else Notice.NOT_DEFLATED))
    return np.where((of != 0) & (of != years), told, np.uint16(0))


def _is_money(unit: Unit | None) -> bool:
    """Whether a unit is an amount of money, which has a currency's rate and a year's prices."""
    return unit is not None and any(power == 1 and name == f"[{unit.currency}]" for name, power in unit.dimensions)


def _data(unit: Unit | None) -> Data:
    if unit is None:
        return Data(0)
    return Data.SPEND_FACTOR if unit.is_money else Data.PHYSICAL_FACTOR
