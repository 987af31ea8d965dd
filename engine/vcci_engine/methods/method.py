"""What a calculation method declares of itself: the kernel is one product, a method says what goes into it."""

from dataclasses import dataclass
from enum import IntFlag

ALL_CATEGORIES = frozenset(range(1, 16))

GUIDANCE = "GHG Protocol, Technical Guidance for Calculating Scope 3 Emissions (2013)"
PCAF = "PCAF, The Global GHG Accounting and Reporting Standard, Part A, 2nd edition (2022)"


class Data(IntFlag):
    """What a row's quantity can be multiplied with; a method takes some of it."""

    SUPPLIER_FACTOR = 1
    PHYSICAL_FACTOR = 2  # a factor of the set, per physical unit
    SPEND_FACTOR = 4  # a factor of the set, per unit of money
    REPORTED = 8  # nothing: the quantity is emissions


ACTIVITY = Data.SUPPLIER_FACTOR | Data.PHYSICAL_FACTOR
MONEY = Data.SUPPLIER_FACTOR | Data.SPEND_FACTOR
ANY = Data.SUPPLIER_FACTOR | Data.PHYSICAL_FACTOR | Data.SPEND_FACTOR | Data.REPORTED

_DATA_TEXTS = {
    Data.SUPPLIER_FACTOR: "the input supplier_factor",
    Data.PHYSICAL_FACTOR: "a factor per physical unit",
    Data.SPEND_FACTOR: "a factor per unit of money",
    Data.REPORTED: "emissions as the quantity (kg CO2e)",
}


@dataclass(frozen=True, slots=True)
class Input:
    """A named further input, in its own unit; finite and within [minimum, maximum]."""

    name: str
    unit: str  # "" is a plain number; `currency` in it is that of the quantity
    what: str
    minimum: float = 0.0
    maximum: float = 1e12
    power: int = 1  # of the input in the amount: it multiplies, divides (-1) or stands beside it (0)
    is_choice: bool = False  # a whole number that stands for something


@dataclass(frozen=True, slots=True)
class Method:
    """A method: kg CO2e = quantity x inputs x `constant` x factor, for what it declares."""

    number: int  # vcci.v1.Method
    name: str
    categories: frozenset[int]
    needs: Data  # one of it
    formula: str  # for people
    source: str
    inputs: tuple[frozenset[str], ...] = (frozenset(),)  # one of these sets is given whole
    optional: frozenset[str] = frozenset()  # may be given too
    units: tuple[str, ...] = ()  # the amount has the dimension of one of them; none: of any
    constant: float = 1.0
    grouped: bool = False  # it is a line of a system: the row's group
    whole: str = ""  # the input that sums to 1 over a system
    version: int = 1  # of the registry, since which the formula is this

    @property
    def needed(self) -> str:
        """What it needs, for people."""
        return " or ".join(text for data, text in _DATA_TEXTS.items() if data & self.needs)


def names(*sets: str) -> tuple[frozenset[str], ...]:
    """Return sets of inputs, each written as names with spaces between."""
    return tuple(frozenset(text.split()) for text in sets)


def optional(text: str) -> frozenset[str]:
    """Return a set of inputs, written as names with spaces between."""
    return frozenset(text.split())
