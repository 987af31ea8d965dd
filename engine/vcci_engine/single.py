"""How one activity was calculated, so that a like one, which differs in its quantity, needs no look-up.

Python's floats are the kernel's IEEE 754 doubles, multiplied in the kernel's order: the same bits.
"""

from dataclasses import dataclass
from math import isfinite
from typing import Any

from vcci_engine.activities import Activities
from vcci_engine.calculate import MAX_KG_CO2E
from vcci_engine.choice import choose, factor_values
from vcci_engine.conversions import find_scales
from vcci_engine.factors import FactorTable
from vcci_engine.inputs import multipliers
from vcci_engine.methods import METHODS
from vcci_engine.units import parse


@dataclass(frozen=True, slots=True)
class Plan:
    """What the quantity is multiplied with, and the method that does it."""

    multipliers: tuple[float, ...]
    scale: float
    factor: float  # kg CO2e per unit
    method: int  # index into METHODS

    def kg_co2e(self, quantity: float, *, allow_negative: bool = False) -> float | None:
        """Return kg CO2e, or None when the quantity or the result is not one that `calculate` takes."""
        if not isfinite(quantity) or (quantity < 0 and not allow_negative):
            return None
        amount: Any = quantity
        for multiplier in self.multipliers:
            amount *= multiplier
        kg_co2e = float(METHODS[self.method].emissions(amount * self.scale, self.factor))  # type: ignore[arg-type]
        return kg_co2e if abs(kg_co2e) <= MAX_KG_CO2E else None


def plan_of(activities: Activities, factors: FactorTable) -> Plan:
    """Return the plan of the only activity of a batch, which `calculate` took."""
    choice = choose(activities, factors.lookup)
    given = multipliers(activities.inputs)
    scales = find_scales(activities, [parse(text) for text in activities.units], given, factors, choice.factor)
    return Plan(
        multipliers=tuple(float(column.values[0]) for _, column in given),
        scale=float(scales.scale[scales.index[0]]),
        factor=float(factor_values(activities, factors.lookup, choice)[0]),
        method=[method.number for method in METHODS].index(int(choice.method[0])),
    )
