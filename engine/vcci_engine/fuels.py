"""Fuels by mass, volume and energy: how many kWh a litre or a kilogram is.

UK DESNZ publishes one factor of each fuel per tonne, per volume and per kWh, by net and by gross calorific value: the
same combustion in four units. So the ratio of two is the fuel's density or calorific value, to their five digits.
"""

from dataclasses import dataclass
from functools import lru_cache

from vcci_engine.units import Unit, conversion, parse

SOURCE = "UK DESNZ, Greenhouse gas reporting: conversion factors 2025, flat file, Fuels; Open Government Licence v3.0"


@dataclass(frozen=True, slots=True)
class Fuel:
    """A fuel as DESNZ 2025 has it: kg CO2e per unit of it; a volume of 0 is not published."""

    name: str  # as in `fuel:{name}` of the starter set
    desnz: str  # as in `desnz:fuels.{desnz}.litre`
    tonne: float
    m3: float
    kwh_net: float
    kwh_gross: float

    @property
    def source(self) -> str:
        """Where its figures were published."""
        return f"{SOURCE}, {self.desnz}"

    def per(self, measure: str) -> float:
        """Return kg CO2e per tonne, m3, kwh_net or kwh_gross."""
        value: float = getattr(self, measure)
        return value


def _liquid(name: str, desnz: str, tonne: float, litre: float, kwh_net: float, kwh_gross: float) -> Fuel:
    return Fuel(name, desnz, tonne, litre * 1000.0, kwh_net, kwh_gross)


FUELS = (
    _liquid("butane", "gaseous_fuels.butane", 3033.38067, 1.74533, 0.24107, 0.22241),
    _liquid("cng", "gaseous_fuels.cng", 2575.46441, 0.4507, 0.2027, 0.18296),
    _liquid("lng", "gaseous_fuels.lng", 2603.30441, 1.17797, 0.20489, 0.18494),
    _liquid("lpg", "gaseous_fuels.lpg", 2939.36095, 1.55713, 0.23032, 0.2145),
    Fuel("natural_gas", "gaseous_fuels.natural_gas", 2575.46441, 2.06672, 0.2027, 0.18296),
    Fuel(
        "natural_gas_mineral",
        "gaseous_fuels.natural_gas_100_mineral_blend",
        *(2603.30441, 2.08906, 0.20489, 0.18494),
    ),
    _liquid("propane", "gaseous_fuels.propane", 2997.63233, 1.54358, 0.23258, 0.2141),
    _liquid("aviation_spirit", "liquid_fuels.aviation_spirit", 3193.6948, 2.33116, 0.25666, 0.24382),
    _liquid("jet_fuel", "liquid_fuels.aviation_turbine_fuel", 3178.3652, 2.54269, 0.26061, 0.24758),
    _liquid("heating_oil", "liquid_fuels.burning_oil", 3165.04181, 2.54016, 0.25975, 0.24677),
    _liquid("diesel", "liquid_fuels.diesel_average_biofuel_blend", 3087.94462, 2.57082, 0.25953, 0.24411),
    _liquid("diesel_mineral", "liquid_fuels.diesel_100_mineral_diesel", 3203.91143, 2.66155, 0.26808, 0.25199),
    _liquid("fuel_oil", "liquid_fuels.fuel_oil", 3228.89019, 3.17492, 0.28523, 0.26813),
    _liquid("gas_oil", "liquid_fuels.gas_oil", 3226.57859, 2.75541, 0.27288, 0.2565),
    _liquid("lubricants", "liquid_fuels.lubricants", 3180.99992, 2.74934, 0.281, 0.26414),
    _liquid("naphtha", "liquid_fuels.naphtha", 3142.3789, 2.11894, 0.24891, 0.23647),
    _liquid("petrol", "liquid_fuels.petrol_average_biofuel_blend", 2772.97935, 2.06916, 0.23181, 0.21956),
    _liquid("petrol_mineral", "liquid_fuels.petrol_100_mineral_petrol", 3154.08213, 2.33984, 0.25431, 0.24159),
    _liquid("marine_gas_oil", "liquid_fuels.marine_gas_oil", 3245.30441, 2.77139, 0.27445, 0.25798),
    _liquid("marine_fuel_oil", "liquid_fuels.marine_fuel_oil", 3154.75334, 3.10202, 0.27869, 0.26197),
    Fuel("coal_industrial", "solid_fuels.coal_industrial", 2395.28994, 0.0, 0.33944, 0.32246),
    Fuel("coal_domestic", "solid_fuels.coal_domestic", 2904.95234, 0.0, 0.36549, 0.34721),
    Fuel("coking_coal", "solid_fuels.coking_coal", 3164.65002, 0.0, 0.37675, 0.3579),
    Fuel("petroleum_coke", "solid_fuels.petroleum_coke", 3386.57168, 0.0, 0.35887, 0.34092),
)

_BY_KEY = {f"fuel:{fuel.name}": fuel for fuel in FUELS} | {f"desnz:fuels.{fuel.desnz}": fuel for fuel in FUELS}
_UNIT_OF = {"tonne": "tonne", "m3": "m3", "kwh_net": "kWh", "kwh_gross": "kWh"}
_NET, _GROSS = ("[net_calorific_value]", 1), ("[gross_calorific_value]", 1)


def fuel_of(key: str) -> Fuel | None:
    """Return the fuel that a factor is for, by its key: `fuel:diesel_kwh_upstream`, `desnz:wtt_fuels….litre`."""
    if key.startswith("desnz:"):
        return _BY_KEY.get(key.replace(":wtt_fuels.", ":fuels.").rpartition(".")[0])
    for ending in ("_upstream", "_net", "_gross", "_kwh", "_tonne", "_litre", "_kg"):
        key = key.removesuffix(ending)
    return _BY_KEY.get(key)


def is_net(key: str) -> bool:
    """Whether a factor per energy is by net calorific value; gross it is unless its key says net."""
    return key.removesuffix("_upstream").endswith("kwh_net")


@lru_cache(maxsize=4096)
def fuel_scale(amount: Unit, to: Unit, fuel: Fuel, net: bool) -> tuple[float, bool] | None:
    """Return how many of `to` an amount of the fuel is, and whether its table had to say so; None: it cannot.

    Energy is by gross calorific value, as fuel is billed, unless the unit says `net`, or `net` of a factor per energy.
    """
    own, other = _measure(amount, net=False), _measure(to, net)
    if own is None or other is None or not fuel.per(own) or not fuel.per(other):
        return None
    value, target = _in_measure(amount, own), _in_measure(to, other)
    if own == other:
        return value / target, False
    return value * fuel.per(own) / fuel.per(other) / target, True


def _measure(unit: Unit, net: bool) -> str | None:
    """Return what kind of amount of a fuel a unit is of, None for none."""
    if _NET in unit.dimensions:
        return "kwh_net"
    if _GROSS in unit.dimensions:
        return "kwh_gross"
    match str(unit):
        case "mass":
            return "tonne"
        case "volume":
            return "m3"
        case "energy":
            return "kwh_net" if net else "kwh_gross"
    return None


def _in_measure(unit: Unit, measure: str) -> float:
    plain = Unit(unit.scale, tuple(power for power in unit.dimensions if power not in (_NET, _GROSS)))
    of = parse(_UNIT_OF[measure])
    scale = None if of is None else conversion(plain, of)
    return float("nan") if scale is None else scale
