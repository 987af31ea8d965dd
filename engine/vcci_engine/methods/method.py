"""What a calculation method declares of itself."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntFlag

from vcci_engine.activities import FloatArray

ALL_CATEGORIES = frozenset(range(1, 16))


class Data(IntFlag):
    """What a row has beside its quantity; a method needs some of it."""

    SUPPLIER_FACTOR = 1
    PHYSICAL_FACTOR = 2  # a factor of the set, per physical unit
    SPEND_FACTOR = 4  # a factor of the set, per unit of money


@dataclass(frozen=True, slots=True)
class Input:
    """A named further input, in its own unit; finite and within [minimum, maximum]."""

    name: str
    unit: str  # "" is a plain number
    what: str
    minimum: float = 0.0
    maximum: float = 1e12


@dataclass(frozen=True, slots=True)
class Method:
    """A method: kg CO2e from the amount of activity and an emission factor."""

    number: int  # vcci.v1.Method
    name: str
    version: int
    needs: Data
    without: str  # what is missing, when `needs` is not met
    categories: frozenset[int]
    source: str
    emissions: Callable[[FloatArray, FloatArray], FloatArray]
