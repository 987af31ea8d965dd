"""What stored emissions consist of, and how they are under another GWP set: pure functions, for a thread."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from vcci.v1 import emission_pb2 as pb
from vcci_engine.activities import FloatArray, IndexArray, Positions
from vcci_engine.gases import Parts, breakdown, parts_of, ratios
from vcci_engine.totals import Terms, ug_ints

from vcci_server.gas_messages import composition_messages
from vcci_server.storage.labels import FactorGases
from vcci_server.storage.sums import Keys, Sums, regroup


@dataclass(frozen=True, slots=True)
class StoredParts:
    """What some factors consist of, and the GWP set that is wanted ("": each factor's own)."""

    ids: Keys  # ascending
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

    def unknown(self) -> npt.NDArray[np.bool_]:
        """Return which factors have gases, but not in proportion to their kg CO2e, which is 0."""
        unknown: npt.NDArray[np.bool_] = (self.parts.kg_co2e == 0) & self.parts.kg.any(axis=1)
        return unknown


def stored_parts(factors: Mapping[int, FactorGases], gwp_set: str) -> StoredParts:
    """Return the parts of factors by their ids."""
    ids = sorted(factors)
    kg_co2e, gases, gwp_sets = zip(*(factors[number] for number in ids), strict=True) if ids else ((), (), ())
    return StoredParts(np.array(ids, np.int64), parts_of(kg_co2e, gases, gwp_sets), gwp_set)


def activity_of(parts: StoredParts, place: Positions, kg_co2e: FloatArray) -> FloatArray:
    """Return stored kg CO2e as amounts of activity in the factor's unit; 0 where it is unknown."""
    per_unit = parts.parts.kg_co2e.take(place)
    return np.divide(kg_co2e, per_unit, out=np.zeros(len(kg_co2e)), where=per_unit != 0)


def compositions_of(
    terms: Terms, factor: Keys, parts: StoredParts, group: Positions, n_groups: int, include_gases: bool
) -> list[pb.Composition]:
    """Return what each group of terms by factor consists of: `group` of each term, -1 for none."""
    sums = Sums((group, factor), terms).where(group >= 0)
    sums = regroup(sums.keys, sums.terms)  # in one order, wherever the terms come from
    group, place = sums.keys[0], parts.positions(sums.keys[1])
    kg = np.array(ug_ints(sums.terms.ug), np.float64) / 1e9
    found = breakdown(parts.parts, place, activity_of(parts, place, kg), group, n_groups, parts.gwp_set)
    messages = composition_messages(found)
    unknown = np.bincount(group, sums.terms.rows * parts.unknown().take(place), n_groups)
    for message, rows in zip(messages, unknown.tolist(), strict=True):
        message.rows_of_unknown_gases = int(rows)
        if not include_gases:
            message.ClearField("gases")
    return messages
