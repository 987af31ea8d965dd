"""The IPCC's global warming potentials over 100 years, by the short names of gases."""

from collections.abc import Mapping
from types import MappingProxyType

import globalwarmingpotentials


def _gwp100(gwp_set: str) -> Mapping[str, float]:
    # The package leaves CO2 out: it is 1 by definition.
    return MappingProxyType({"CO2": 1.0, **globalwarmingpotentials.data[f"{gwp_set}GWP100"]})


GWP100: Mapping[str, Mapping[str, float]] = MappingProxyType({name: _gwp100(name) for name in ("AR4", "AR5", "AR6")})
