"""How one activity was calculated, so that a like one, which differs in its quantity, needs no look-up.

Python's floats are the kernel's IEEE 754 doubles, multiplied in the kernel's order: the same bits.
"""

from dataclasses import dataclass
from math import isfinite

from vcci_engine.activities import Activities
from vcci_engine.calculate import MAX_KG_CO2E
from vcci_engine.choice import choose, constants, factor_values
from vcci_engine.conversions import find_scales
from vcci_engine.factors import FactorTable
from vcci_engine.inputs import divisors, known, multipliers
from vcci_engine.units import parse


@dataclass(frozen=True, slots=True)
class Plan:
    """What the quantity is multiplied with and divided by, one after the other."""

    multipliers: tuple[float, ...]
    divisors: tuple[float, ...]
    scale: float
    constant: float
    factor: float  # kg CO2e per unit

    def amount(self, quantity: float) -> float:
        """Return the amount of activity, in the factor's unit."""
        amount = quantity
        for multiplier in self.multipliers:
            amount *= multiplier
        for divisor in self.divisors:
            amount /= divisor
        return amount * self.scale * self.constant

    def kg_co2e(self, quantity: float, *, allow_negative: bool = False) -> float | None:
        """Return kg CO2e, or None when the quantity or the result is not one that `calculate` takes."""
        if not isfinite(quantity) or (quantity < 0 and not allow_negative):
            return None
        kg_co2e = self.amount(quantity) * self.factor
        return kg_co2e if abs(kg_co2e) <= MAX_KG_CO2E else None


def plan_of(activities: Activities, factors: FactorTable) -> Plan:
    """Return the plan of the only activity of a batch, which `calculate` took."""
    units = [parse(text) for text in activities.units]
    choice = choose(activities, factors.lookup, units)
    constant = constants(activities, choice)
    scales = find_scales(activities, units, known(activities.inputs), factors, choice)
    return Plan(
        multipliers=tuple(float(column.values[0]) for column in multipliers(activities.inputs)),
        divisors=tuple(float(column.values[0]) for column in divisors(activities.inputs, 1)),
        scale=float(scales.scale[scales.index[0]]),
        constant=1.0 if constant is None else float(constant[0]),
        factor=float(factor_values(activities, factors.lookup, choice)[0]),
    )
