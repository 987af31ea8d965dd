"""What an organization says of itself: no store has it, so what is not given is shown as not provided."""

from collections.abc import Mapping
from dataclasses import dataclass, field

NOT_PROVIDED = "not provided"


@dataclass(frozen=True, slots=True)
class Stated:
    """What it says of a category."""

    status: str = ""  # a name of CategoryStatus, in words; empty: not given
    explanation: str = ""

    @property
    def relevant(self) -> str:
        """Whether it calls the category relevant."""
        if self.status.startswith("relevant"):
            return "yes"
        return "no" if self.status.startswith("not relevant") else "not stated"


@dataclass(frozen=True, slots=True)
class Statements:
    """All of it; emissions in t CO2e, revenues in `currency`; None: not given."""

    currency: str = ""
    net_revenue: float | None = None
    previous_net_revenue: float | None = None
    scope_1: float | None = None
    scope_2_location: float | None = None
    scope_2_market: float | None = None
    boundary: str = ""
    categories: Mapping[int, Stated] = field(default_factory=dict)

    def of(self, category: int) -> Stated:
        """Return what it says of a category."""
        return self.categories.get(category, Stated())


def told(text: str) -> str:
    """Return a text, or that it is not provided."""
    return text or NOT_PROVIDED
