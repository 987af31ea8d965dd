"""What emissions consist of, gas by gas, and what they come to under another set of global warming potentials.

Emissions are linear in their factor: kg of a gas = kg CO2e / the factor's kg CO2e x the factor's kg of the gas. So
nothing but the factor has to be known to express a result anew. F is the number of factors, P of parts.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vcci_engine.activities import FloatArray, Positions
from vcci_engine.gwp import BIOGENIC_CO2, CO2E_SETS, co2e_of, weights

ROUNDING = 2e-5  # of a factor, or kg CO2e per unit: its total and its gases are printed with five decimals


@dataclass(frozen=True, slots=True)
class Parts:
    """What F factors consist of, per unit; picklable; `parts_of` makes it.

    The parts of a factor, by the potentials of its own set, add up to its kg CO2e: what its gases leave out stands as
    `CO2e_{set}`.
    """

    names: tuple[str, ...]  # [P]: gases, `CO2e_{set}` and `CO2e`
    kg: FloatArray  # [F, P], kg, or kg CO2e
    kg_co2e: FloatArray  # [F], under the factor's own set
    sets: tuple[str, ...]  # the sets that occur; "" is unknown
    gwp_set: Positions  # [F], index into `sets`
    known: npt.NDArray[np.bool_]  # [F]: the own set knows every gas of the factor
    one_set: bool  # no factor has CO2e under another set than its own

    def __len__(self) -> int:
        return len(self.kg)


def parts_of(kg_co2e: Sequence[float], gases: Sequence[Mapping[str, float]], gwp_sets: Sequence[str]) -> Parts:
    """Return the parts of factors: their kg CO2e, kg of each gas (which may be none), and GWP set ("": unknown).

    A difference within ROUNDING is the publisher's and is spread over the gases, a larger one is CO2e of no known gas.
    """
    sets = tuple(sorted(set(gwp_sets)))
    own = np.array([sets.index(name) for name in gwp_sets], np.intp)
    names = tuple(sorted({name for of in gases for name in of} | {co2e_of(name) for name in sets}))
    total = np.array(kg_co2e, np.float64)
    kg = _matrix(gases, names)
    table = np.stack([weights(names, name) for name in sets]) if sets else np.empty((0, len(names)))
    known = ~((kg != 0) & np.isnan(table)[own]).any(axis=1)
    summed = (kg * np.nan_to_num(table)[own]).sum(axis=1)
    rest = total - summed
    near = known & (np.abs(rest) <= ROUNDING * np.maximum(1.0, np.abs(total))) & (summed * total > 0)
    kg *= np.divide(total, summed, out=np.ones(len(total)), where=near)[:, None]
    of_rest = np.array([names.index(co2e_of(name)) for name in sets], np.intp)[own]
    kg[np.arange(len(kg)), of_rest] += np.where(near, 0.0, rest)
    return Parts(names, kg, total, sets, own, known, _of_one_set(names, kg, sets, own))


def ratios(parts: Parts, gwp_set: str) -> FloatArray:
    """Return kg CO2e under a set / kg CO2e of each factor, [F]; NaN where the factor cannot give it.

    What has no gases is carried over as it is; a factor that has none at all cannot give any set but its own.
    """
    weight = weights(parts.names, gwp_set)
    gas = np.array([name not in CO2E_SETS and name != BIOGENIC_CO2 for name in parts.names], np.bool_)
    there = parts.kg != 0
    expressed = (parts.kg * np.nan_to_num(weight)).sum(axis=1)
    possible = parts.known & ~(there & np.isnan(weight)).any(axis=1) & (there & gas).any(axis=1) & (parts.kg_co2e != 0)
    ratio: FloatArray = np.divide(expressed, parts.kg_co2e, out=np.full(len(parts), np.nan), where=possible)
    ratio[(parts.kg_co2e == 0) & (expressed == 0)] = 1.0
    if gwp_set in parts.sets:
        ratio[parts.gwp_set == parts.sets.index(gwp_set)] = 1.0
    return ratio


def expressed_under(parts: Parts, gwp_set: str) -> tuple[tuple[str, ...], Positions]:
    """Return sets, and each factor's index into them, [F]: `gwp_set` where the factor can give it, else its own."""
    sets = tuple(sorted({*parts.sets, gwp_set}))
    used = np.array([sets.index(name) for name in parts.sets], np.intp).take(parts.gwp_set)
    if gwp_set:
        used[~np.isnan(ratios(parts, gwp_set))] = sets.index(gwp_set)
    return sets, used


def gas_columns(parts: Parts, factor: Positions, activity: FloatArray) -> Iterator[tuple[str, Positions, FloatArray]]:
    """Yield each part that lines have: its name, the lines that have it, and how many kg of it, or kg CO2e.

    `factor` of each line, `activity` in the factor's unit.
    """
    for place, name in enumerate(parts.names):
        per_unit = parts.kg[:, place].take(factor)
        lines = np.flatnonzero(per_unit)
        if len(lines):
            yield name, lines, activity[lines] * per_unit[lines]


@dataclass(frozen=True, slots=True)
class Breakdown:
    """What G sums of emissions consist of."""

    gases: tuple[str, ...]  # [N], without biogenic CO2
    kg: FloatArray  # [G, N], kg of each gas
    kg_co2e: FloatArray  # [G, N]
    kg_co2_biogenic: FloatArray  # [G], outside of the total
    sets: tuple[str, ...]  # [S]; "" is unknown
    by_set: FloatArray  # [G, S], kg CO2e under each set


def breakdown(
    parts: Parts, factor: Positions, activity: FloatArray, group: Positions, n_groups: int, gwp_set: str = ""
) -> Breakdown:
    """Return what groups of lines consist of: `factor` and `group` of each, `activity` in the factor's unit.

    CO2e is under `gwp_set` where the factor can give it, else under the factor's own set.
    """
    of_factors, used = expressed_under(parts, gwp_set)
    sets = tuple(sorted({*of_factors, *(CO2E_SETS[name] for name in parts.names if name in CO2E_SETS)}))
    under = np.array([sets.index(name) for name in of_factors], np.intp).take(used.take(factor))
    by_set = np.zeros(n_groups * len(sets))
    amounts: dict[str, tuple[FloatArray, FloatArray]] = {}
    for name, lines, kg in gas_columns(parts, factor, activity):
        place = np.full(len(lines), sets.index(CO2E_SETS[name])) if name in CO2E_SETS else under[lines]
        kg_co2e = kg * np.nan_to_num([weights([name], of)[0] for of in sets]).take(place)
        by_set += _summed(group[lines] * len(sets) + place, kg_co2e, len(by_set))
        if name not in CO2E_SETS:
            amounts[name] = _summed(group[lines], kg, n_groups), _summed(group[lines], kg_co2e, n_groups)
    biogenic, _ = amounts.pop(BIOGENIC_CO2, (np.zeros(n_groups), None))
    kg, kg_co2e = (np.array([of[n] for of in amounts.values()]).reshape(len(amounts), n_groups).T for n in (0, 1))
    return Breakdown(tuple(amounts), kg, kg_co2e, biogenic, sets, by_set.reshape(n_groups, len(sets)))


def _matrix(gases: Sequence[Mapping[str, float]], names: Sequence[str]) -> FloatArray:
    place = {name: number for number, name in enumerate(names)}
    kg = np.zeros((len(gases), len(names)))
    for row, of in enumerate(gases):
        for name, amount in of.items():
            kg[row, place[name]] = amount
    return kg


def _of_one_set(names: Sequence[str], kg: FloatArray, sets: Sequence[str], own: Positions) -> bool:
    co2e = [(place, CO2E_SETS[name]) for place, name in enumerate(names) if name in CO2E_SETS]
    return all({sets[number] for number in np.unique(own[kg[:, place] != 0])} <= {of} for place, of in co2e)


def _summed(group: Positions, values: FloatArray, n_groups: int) -> FloatArray:
    return np.bincount(group, values, n_groups).astype(np.float64, copy=False)
