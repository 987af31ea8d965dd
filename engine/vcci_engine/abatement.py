"""What avoiding emissions costs: net present value, payback, cost per tonne, and the marginal abatement cost curve.

The cost of a tonne is the equivalent annual cost (the investment x the capital recovery factor, plus what it costs a
year, less what it saves) / the tonnes of a year, as in McKinsey's curves (Pathways to a Low-Carbon Economy, 2009).
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Costs:
    """What a lever costs, in any one currency; savings are positive."""

    investment: float = 0.0
    annual_cost: float = 0.0
    annual_savings: float = 0.0
    lifetime_years: int = 1


@dataclass(frozen=True, slots=True)
class Abatement:
    """What a lever's abatement comes to."""

    annual_tonnes: float
    annual_cost: float  # equivalent annual cost; below zero when it pays
    npv: float  # of costs and savings over the lifetime, emissions not priced; above zero when it pays
    cost_per_tonne: float | None  # None: it abates nothing
    payback_years: float | None  # of the investment by what it saves a year, not discounted; None: it saves nothing


@dataclass(frozen=True, slots=True)
class Step:
    """A lever's place on the curve: from and to how many tonnes a year."""

    lever: int
    from_tonnes: float
    to_tonnes: float
    cost_per_tonne: float


def annuity(rate: float, years: int) -> float:
    """Return the present value of 1 at the end of each year, at a discount rate above -1."""
    return float(years) if rate == 0 else (1 - (1 + rate) ** -years) / rate


def abatement(costs: Costs, annual_tonnes: float, rate: float) -> Abatement:
    """Return what abating so many tonnes a year costs at a discount rate (0.05 is 5 %)."""
    worth = annuity(rate, costs.lifetime_years)
    net_savings = costs.annual_savings - costs.annual_cost
    annual_cost = costs.investment / worth - net_savings
    return Abatement(
        annual_tonnes=annual_tonnes,
        annual_cost=annual_cost,
        npv=net_savings * worth - costs.investment,
        cost_per_tonne=annual_cost / annual_tonnes if annual_tonnes > 0 else None,
        payback_years=costs.investment / net_savings if net_savings > 0 else None,
    )


def curve(abatements: Sequence[Abatement | None]) -> list[Step]:
    """Return the levers that have costs and abate something, the cheapest tonne first; equal ones in their order."""
    costs = [(of.cost_per_tonne, n, of) for n, of in enumerate(abatements) if of and of.cost_per_tonne is not None]
    steps: list[Step] = []
    for cost, lever, of in sorted(costs, key=lambda item: item[:2]):
        start = steps[-1].to_tonnes if steps else 0.0
        steps.append(Step(lever, start, start + of.annual_tonnes, cost))
    return steps
