"""What stored emissions consist of, and how they are under another GWP set: pure functions, for a thread."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from vcci.v1 import emission_pb2 as pb
from vcci_engine.activities import FloatArray, IndexArray, Positions
from vcci_engine.gases import Breakdown, Parts, breakdown, parts_of, ratios
from vcci_engine.totals import Terms, ug_ints, ug_regrouped

from vcci_server.gas_messages import composition_messages
from vcci_server.storage.labels import FactorGases
from vcci_server.storage.passes import Tally
from vcci_server.storage.sums import Keys, Sums, regroup
from vcci_server.stored_amounts import AMOUNT, NOT_CALCULABLE, Factors, PerUnit


@dataclass(frozen=True, slots=True)
class StoredParts:
    """What some factors consist of, and the GWP set that is wanted ("": each factor's own)."""

    ids: Keys  # ascending
    of: Sequence[PerUnit]  # one unit of activity
    parts: Parts
    gwp_set: str

    def positions(self, ids: Keys | IndexArray) -> Positions:
        """Return where factors stand in `parts`."""
        return np.searchsorted(self.ids, ids)

    def ratio_of(self, ids: Keys | IndexArray) -> FloatArray | None:
        """Return kg CO2e as it is wanted / as it is stored, of factors; 1 where that cannot be. None: all are 1."""
        if not self.gwp_set:
            return None
        ratio = np.nan_to_num(ratios(self.parts, self.gwp_set), nan=1.0)
        return None if (ratio == 1.0).all() else ratio.take(self.positions(ids))

    def unknown(self) -> dict[int, PerUnit]:
        """Return the factors, by id, that have gases, but 0 kg CO2e to tell them from."""
        unknown = (self.parts.kg_co2e == 0) & self.parts.kg.any(axis=1)
        return {int(self.ids[place]): self.of[place] for place in np.flatnonzero(unknown).tolist()}


@dataclass(frozen=True, slots=True)
class Amounts:
    """Sums of activity of factors with 0 kg CO2e, in their units; parallel."""

    group: Positions
    factor: Keys
    amount: FloatArray
    rows_without: FloatArray  # rows whose amount cannot be told


def stored_parts(factors: Mapping[int, FactorGases], gwp_set: str) -> StoredParts:
    """Return the parts of factors by their ids."""
    ids = sorted(factors)
    found = [factors[number] for number in ids]
    parts = parts_of([of.kg_co2e for of in found], [of.gases for of in found], [of.gwp_set for of in found])
    return StoredParts(np.array(ids, np.int64), [PerUnit(of.key, of.unit) for of in found], parts, gwp_set)


def amounts_by_group(found: Tally, sums: Mapping[str, Keys], group: Positions, factors: Factors) -> Amounts:
    """Return amounts that are by the columns of sums, of which `factor` is one, with the groups of these."""
    meant = np.flatnonzero((group >= 0) & np.isin(sums["factor"], [*factors]))
    keys = zip(*(column[meant].tolist() for column in sums.values()), strict=True)
    group_of = dict(zip(keys, group[meant].tolist(), strict=True))
    groups = [group_of.get(key, -1) for key in zip(*(column.tolist() for column in found.keys), strict=True)]
    mine = np.array(groups, np.intp) >= 0
    factor = found.keys[[*sums].index("factor")]
    amount, without = found.amounts(AMOUNT)[mine], found.amounts(NOT_CALCULABLE)[mine]
    return Amounts(np.array(groups, np.intp)[mine], factor[mine], amount, without)


def activity_of(parts: StoredParts, place: Positions, kg_co2e: FloatArray) -> FloatArray:
    """Return stored kg CO2e as amounts of activity in the factor's unit; 0 where it is unknown."""
    per_unit = parts.parts.kg_co2e.take(place)
    return np.divide(kg_co2e, per_unit, out=np.zeros(len(kg_co2e)), where=per_unit != 0)


def compositions_of(
    terms: Terms,
    factor: Keys,
    parts: StoredParts,
    group: Positions,
    n_groups: int,
    include_gases: bool,
    amounts: Amounts | None = None,
) -> list[pb.Composition]:
    """Return what each group of terms by factor consists of: `group` of each term, -1 for none.

    `amounts` are of the factors whose gases do not follow from the terms.
    """
    sums = Sums((group, factor), terms).where(group >= 0)
    if parts.parts.one_set and not parts.gwp_set and not include_gases:
        return _own_sets(sums, parts, n_groups)
    sums = regroup(sums.keys, sums.terms)  # in one order, wherever the terms come from
    group, place = sums.keys[0], parts.positions(sums.keys[1])
    kg = np.array(ug_ints(sums.terms.ug), np.float64) / 1e9
    activity = activity_of(parts, place, kg)
    without = np.zeros(n_groups)
    if amounts is not None:
        group = np.concatenate((group, amounts.group))
        place = np.concatenate((place, parts.positions(amounts.factor)))
        activity = np.concatenate((activity, amounts.amount))
        np.add.at(without, amounts.group, amounts.rows_without)
    messages = composition_messages(breakdown(parts.parts, place, activity, group, n_groups, parts.gwp_set))
    for message, rows in zip(messages, without.tolist(), strict=True):
        message.rows_of_unknown_gases = round(rows)
        if not include_gases:
            message.ClearField("gases")
            message.ClearField("kg_co2_biogenic")
    return messages


def _own_sets(sums: Sums, parts: StoredParts, n_groups: int) -> list[pb.Composition]:
    """Return under which sets groups are as stored, each factor under its own: exact sums, a third of the work."""
    group, factor = sums.keys
    sets = parts.parts.sets
    code = group * len(sets) + parts.parts.gwp_set.take(parts.positions(factor))
    ug = ug_ints(ug_regrouped(sums.terms.ug, code, n_groups * len(sets)))
    by_set = np.array([value / 10**9 for value in ug]).reshape(n_groups, len(sets))
    nothing = np.zeros((n_groups, 0))
    return composition_messages(Breakdown((), nothing, nothing, np.zeros(n_groups), sets, by_set))
