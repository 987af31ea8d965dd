"""Units of quantities: what a text means, and how units convert.

A unit is a product of names with whole exponents: `kg`, `tonne*km`, `m3`, `kg/m**2`, `EUR`. pint knows what a name
means; the products are ours, so that a hostile text is never evaluated. Scales are exact decimals until they become
a conversion's one float.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal, DecimalException
from functools import lru_cache

import pint

from vcci_engine.currencies import CURRENCIES

MAX_LENGTH = 64
KG_CO2E = "kg CO2e"

# Counted things are dimensions of their own: a factor per room is not one per item. People are one dimension, so that
# employees who travel meet a factor per passenger*km. `kWh net` of a fuel is not `kWh gross` (fuels.py).
_DEFINITIONS = """
item = [item] = _ = piece = each
person = [person] = _ = passenger = employee = guest = FTE
vehicle = [vehicle]
room = [room]
night = [night]
use = [use]
net_calorific_value = [net_calorific_value] = _ = net
gross_calorific_value = [gross_calorific_value] = _ = gross
carbon_dioxide_equivalent = [CO2e]
twenty_foot_equivalent = [TEU] = TEU
FEU = 2 * TEU
tkm = tonne * km
pkm = passenger * km
vkm = vehicle * km
MMBtu = 1e6 * BTU = _ = MMBTU = mmbtu
cf = foot ** 3 = _ = scf
ccf = 100 * cf
mcf = 1000 * cf
"""

# Spellings of business files that pint does not know or takes for something else: bbl is not a dry barrel, kilos are
# not kiloseconds, kt not a knot, MT not a megatesla, mt not a millitonne, pc not a parsec, unit not a micronit. Those
# that mean nothing here would be wrong without a word: gr is a gram or a grain, NM a nautical mile or a nanometre.
_SPELLINGS = {
    "barrel": "oil_barrel",
    "barrels": "oil_barrel",
    "bbl": "oil_barrel",
    "cbm": "m3",
    "count": "item",
    "ea": "item",
    "gr": "",
    "gwh": "GWh",
    "kilo": "kg",
    "kilos": "kg",
    "kt": "kilotonne",
    "kwh": "kWh",
    "ltr": "litre",
    "MT": "tonne",
    "mt": "tonne",
    "mwh": "MWh",
    "nm": "",
    "pc": "item",
    "pcs": "item",
    "people": "person",
    "sqm": "m2",
    "unit": "item",
    "units": "item",
}

_DIMENSION_NAMES = {
    (("[CO2e]", 1), ("[mass]", 1)): "emissions",
    (("[length]", 2),): "area",
    (("[length]", 3),): "volume",
    (("[length]", 2), ("[mass]", 1), ("[time]", -2)): "energy",
    (("[length]", 2), ("[mass]", 1), ("[net_calorific_value]", 1), ("[time]", -2)): "energy by net calorific value",
    (("[gross_calorific_value]", 1), ("[length]", 2), ("[mass]", 1), ("[time]", -2)): "energy by gross calorific value",
}

_SYMBOLS = str.maketrans({"\u00b2": "2", "\u00b3": "3", "\u00b7": "*", "\u00d7": "*", "\u03bc": "\u00b5"})
_CO2E = re.compile(r"[ _*]*CO2[-_ ]?eq?\b", re.IGNORECASE)
_TERM = re.compile(r"([A-Za-z\u00b5_%]+)(?:(?:\*\*|\^)?(-?[1-9]))?")
_OPERATOR = re.compile(r" *([*/.\-]) *| +")
_EXACT = Context(prec=60, Emax=9999, Emin=-9999)


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit in root units: its scale, and its dimensions with their exponents, sorted."""

    scale: Decimal
    dimensions: tuple[tuple[str, int], ...] = ()

    @property
    def is_money(self) -> bool:
        """Whether the unit is an amount of a currency, or per one."""
        return bool(self.currency)

    @property
    def is_emissions(self) -> bool:
        """Whether the unit is an amount of emissions (kg CO2e), or of them per something."""
        return any(name == "[CO2e]" for name, _ in self.dimensions)

    @property
    def currency(self) -> str:
        """The currency that the unit is an amount of; empty for none."""
        return next((code for name, _ in self.dimensions if (code := name.strip("[]")) in CURRENCIES), "")

    def __str__(self) -> str:
        """Its dimension for people: `mass x length`."""
        if self.dimensions in _DIMENSION_NAMES:
            return _DIMENSION_NAMES[self.dimensions]
        return " x ".join(_dimension_name(name, power) for name, power in self.dimensions) or "a plain number"


ONE = Unit(Decimal(1))


@lru_cache(maxsize=4096)
def parse(text: str) -> Unit | None:
    """Return the unit that a text means, or None."""
    text = text.strip()
    if len(text) > MAX_LENGTH:
        return None
    text = _CO2E.sub(" carbon_dioxide_equivalent", text.translate(_SYMBOLS)).lstrip()
    terms: list[tuple[Unit, int]] = []
    position, sign = 0, 1
    while match := _TERM.match(text, position):
        unit = _named(match[1])
        if unit is None:
            return None
        terms.append((unit, sign * int(match[2] or 1)))
        if match.end() == len(text):
            return _product(terms)
        operator = _OPERATOR.match(text, match.end())
        if operator is None:
            return None
        position, sign = operator.end(), -1 if operator[1] == "/" else 1
    return None


def product(powers: Iterable[tuple[Unit, int]]) -> Unit:
    """Return the product of powers of units."""
    return _product(powers) or ONE


def conversion(unit: Unit, to: Unit) -> float | None:
    """Return how many of `to` one of `unit` is, or None when their dimensions differ."""
    if unit.dimensions != to.dimensions:
        return None
    return float(_EXACT.divide(unit.scale, to.scale))


def _product(terms: Iterable[tuple[Unit, int]]) -> Unit | None:
    scale = Decimal(1)
    powers: dict[str, int] = {}
    try:
        for unit, exponent in terms:
            scale = _EXACT.multiply(scale, _EXACT.power(unit.scale, exponent))
            for name, power in unit.dimensions:
                powers[name] = powers.get(name, 0) + power * exponent
    except DecimalException:
        return None
    if not 1e-99 < scale < 1e99:
        return None
    return Unit(scale, tuple(sorted((name, power) for name, power in powers.items() if power)))


@lru_cache(maxsize=4096)
def _named(name: str) -> Unit | None:
    if name in _SPELLINGS:
        return parse(_SPELLINGS[name])
    if readings := _REGISTRY.parse_unit_name(name):
        prefix, unit, _ = readings[0]
        if unit == "ton" and "short_ton" not in name:
            return None  # a tonne to some, a short ton to others, a tenth apart
        return _root(prefix + unit)
    return _named(name.lower()) if name != name.lower() else None


def _root(name: str) -> Unit | None:
    """Return a unit of pint's; None for one that is not a plain multiple (temperatures)."""
    scale, root = _REGISTRY.get_root_units(name)
    powers = {dimension: Decimal(str(power)) for dimension, power in root.dimensionality.items()}
    if "[temperature]" in powers or any(power % 1 for power in powers.values()):
        return None
    return Unit(Decimal(str(scale)), tuple(sorted((dimension, int(power)) for dimension, power in powers.items())))


def _dimension_name(dimension: str, power: int) -> str:
    name = dimension.strip("[]")
    return name if power == 1 else f"{name}^{power}"


def _registry() -> pint.UnitRegistry[Decimal]:
    registry: pint.UnitRegistry[Decimal] = pint.UnitRegistry(non_int_type=Decimal)
    for line in _DEFINITIONS.strip().splitlines():
        registry.define(line)
    for code in sorted(CURRENCIES):
        registry.define(f"{code} = [{code}]")
    return registry


_REGISTRY = _registry()
