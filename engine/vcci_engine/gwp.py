"""Global warming potentials in versioned sets, kg CO2e per kg, by the IPCC's short names of gases (`CO2`, `HFC134a`).

The tables are those of the package globalwarmingpotentials, named as there without `GWP100`: `AR5` is over 100 years,
`AR6GWP20` over 20. It leaves out CO2, which is 1 by definition, and methane by its origin.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import globalwarmingpotentials
import numpy as np

from vcci_engine.activities import FloatArray

BIOGENIC_CO2 = "CO2_biogenic"  # reported beside the total
UNKNOWN_SET = ""
CO2E = "CO2e"  # of no known gases, and of no known set

_AS_METHANE = (None, None)  # up to AR4 methane has one value, whatever its origin
# Of fossil and of other origin.
_METHANE: Mapping[str, tuple[float | None, float | None]] = {
    "AR4": _AS_METHANE,
    "AR5": (30.0, 28.0),  # IPCC AR5 WG1, table 8.A.1
    "AR6": (29.8, 27.0),  # IPCC AR6 WG1, table 7.15, as those over other times below
    "SAR": _AS_METHANE,
    "TAR": _AS_METHANE,
    "TARGWP20": _AS_METHANE,
    "TARGWP500": _AS_METHANE,
    "AR5CCF": (36.0, 34.0),  # IPCC AR5 WG1, table 8.7 and its note: fossil methane is higher by 2
    "AR6GWP20": (82.5, 79.7),
    "AR6GWP500": (10.0, 7.2),
}


def _set(name: str, table: Mapping[str, float]) -> Mapping[str, float]:
    fossil, other = (value or table["CH4"] for value in _METHANE[name])
    own = {"CO2": 1.0, BIOGENIC_CO2: 0.0, "CH4_fossil": fossil, "CH4_nonfossil": other}
    return MappingProxyType({**table, **own})


_TABLES = {name.removesuffix("GWP100"): table for name, table in globalwarmingpotentials.data.items()}
GWP: Mapping[str, Mapping[str, float]] = MappingProxyType({name: _set(name, _TABLES[name]) for name in _METHANE})
GWP_SETS = tuple(GWP)
GASES = frozenset(gas for table in GWP.values() for gas in table)


def co2e_of(gwp_set: str) -> str:
    """Return what CO2e is called that was published without its gases: `CO2e_AR5`, or `CO2e` of an unknown set."""
    return f"{CO2E}_{gwp_set}" if gwp_set else CO2E


# What is no gas, by the set that it is under.
CO2E_SETS: Mapping[str, str] = MappingProxyType({co2e_of(name): name for name in (UNKNOWN_SET, *GWP_SETS)})


def weights(names: Iterable[str], gwp_set: str) -> FloatArray:
    """Return kg CO2e per kg of each of the names; NaN where the set does not know the gas. CO2e is 1 in every set."""
    table = GWP.get(gwp_set, {})
    return np.array([1.0 if name in CO2E_SETS else table.get(name, np.nan) for name in names], np.float64)
