"""What an amount is multiplied with to be in its factor's unit, and what is told of it."""

from dataclasses import dataclass
from math import nan

from vcci_engine.results import Reason


@dataclass(frozen=True, slots=True)
class Scale:
    """One scale; NaN when there is none, for a reason."""

    value: float
    notices: int = 0  # bits
    reason: Reason = Reason.INCOMPATIBLE_UNIT
    expected: str = ""  # for people, where the units alone do not say it; `{year}` is that of the row


INCOMPATIBLE = Scale(nan)
