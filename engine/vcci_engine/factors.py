"""A factor set as arrays with an index; F is the number of factors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from vcci_engine.activities import FloatArray, IndexArray, Positions
from vcci_engine.factor_lookup import FactorLookup, build_lookup, by_ids
from vcci_engine.gases import Parts, parts_of
from vcci_engine.gwp import UNKNOWN_SET
from vcci_engine.prices import NO_PRICES, Prices
from vcci_engine.uncertainty import sigma2_of_gsd2


@dataclass(frozen=True, slots=True)
class FactorTable:
    """An immutable factor set with the prices that go with it, sorted by key, region and year, picklable.

    `index` maps a key `source:code` to the range [start, stop) of its factors (one per region and year).
    """

    set_id: int
    content_hash: str
    id: IndexArray  # emission_factors.id
    key: tuple[str, ...]
    region: tuple[str, ...]  # ISO 3166-1 alpha-2; "" is the whole world
    year: npt.NDArray[np.int32]
    unit: tuple[str, ...]
    kg_co2e: FloatArray  # kg CO2e per unit
    index: Mapping[str, tuple[int, int]]
    lookup: FactorLookup
    parts: Parts  # [F + 2], at the lookup's positions; per kg CO2e of the supplier's own, and of reported
    prices: Prices

    @property
    def version(self) -> tuple[int, int]:
        """The ids of the factor set and of the price set, 0 for none: results depend on both."""
        return self.set_id, self.prices.set_id

    def __len__(self) -> int:
        return len(self.id)

    def positions(self, ids: IndexArray | Positions) -> Positions:
        """Return where factors of this set stand in it, by their ids; F for id 0, the supplier's own."""
        order = self.lookup.by_id
        return order.take(np.searchsorted(self.lookup.id, ids, sorter=order))

    def sigma2_of(self, ids: IndexArray | Positions) -> FloatArray:
        """Return sigma2 of factors of this set by their ids; 0 for id 0, the supplier's own."""
        return np.where(ids == 0, 0.0, self.lookup.sigma2.take(self.positions(ids)))

    def by_ids(self) -> "FactorTable":
        """Return the table with the factors' ids for keys, each of which stands for every region and year."""
        index = {str(number): (place, place + 1) for place, number in enumerate(self.id.tolist())}
        return replace(self, key=tuple(index), index=index, lookup=by_ids(self.lookup))


def build_table(
    set_id: int,
    content_hash: str,
    *,
    ids: Sequence[int],
    keys: Sequence[str],
    regions: Sequence[str],
    years: Sequence[int],
    units: Sequence[str],
    kg_co2e: Sequence[float],
    gsd2: Sequence[float],
    gases: Sequence[Mapping[str, float]] = (),
    gwp_sets: Sequence[str] = (),
    price_years: Sequence[int] = (),
    price_bases: Sequence[str] = (),
    margins: Sequence[str] = (),
    prices: Prices = NO_PRICES,
) -> FactorTable:
    """Return the table of a set's factors, given in any order, each key, region and year once.

    `gases` in kg per unit and the GWP set of `kg_co2e` are of each factor, or none of any; so are the year, the basis
    and the margins of the prices of factors per unit of money, 0 and empty for the others.
    """
    order = sorted(range(len(ids)), key=lambda n: (keys[n], regions[n], years[n]))
    key, region, unit = (tuple(column[n] for n in order) for column in (keys, regions, units))
    id_ = np.array([ids[n] for n in order], np.uint32)
    year = np.array([years[n] for n in order], np.int32)
    kg = np.array([kg_co2e[n] for n in order], np.float64)
    sigma2 = np.array([sigma2_of_gsd2(gsd2[n]) for n in order], np.float64)
    price_year = np.array([price_years[n] if price_years else 0 for n in order], np.int32)
    index = _ranges(key)
    lookup = build_lookup(
        *(index, id_, region, year, unit, kg, sigma2, price_year),
        price_basis=[price_bases[n] if price_bases else "" for n in order],
        margins=[margins[n] if margins else "" for n in order],
        prices=prices,
    )
    parts = parts_of(
        [*kg.tolist(), 1.0, 1.0],
        [*(gases[n] if gases else {} for n in order), {}, {}],
        [*(gwp_sets[n] if gwp_sets else UNKNOWN_SET for n in order), UNKNOWN_SET, UNKNOWN_SET],
    )
    return FactorTable(set_id, content_hash, id_, key, region, year, unit, kg, index, lookup, parts, prices)


def _ranges(key: Sequence[str]) -> dict[str, tuple[int, int]]:
    ranges: dict[str, tuple[int, int]] = {}
    for position, text in enumerate(key):
        start, _ = ranges.get(text, (position, position))
        ranges[text] = (start, position + 1)
    return ranges
