"""What an amount is multiplied with to be in its factor's unit, and what is told of it."""

from dataclasses import dataclass
from math import nan

from vcci_engine.results import Reason


@dataclass(frozen=True, slots=True)
class Scale:
    """One scale; NaN when there is none, for a reason."""

    units: float  # of the units alone, or of a fuel's table
    notices: int = 0  # bits
    rate: float = 1.0  # of the currency
    deflator: float = 1.0  # of the prices
    reason: Reason = Reason.INCOMPATIBLE_UNIT
    expected: str = ""  # for people, where the units alone do not say it; `{year}` is that of the row

    @property
    def value(self) -> float:
        """What an amount is multiplied with."""
        return self.units * self.rate * self.deflator


INCOMPATIBLE = Scale(nan)
