"""What the lines of each group come to: their sum, and PCAF's metrics of a portfolio."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import fsum

import numpy as np

from vcci_engine.activities import FloatArray, InputColumn, Positions
from vcci_engine.factors import FactorTable
from vcci_engine.inputs import spread
from vcci_engine.methods import RATIOS
from vcci_engine.results import Emissions
from vcci_engine.selection import select
from vcci_engine.totals import total
from vcci_engine.uncertainty import Estimate

AMOUNTS = ("outstanding", *RATIOS["outstanding"])  # that the lines of one investment have in common
_TOLD = ("pcaf_score", "base_evic")


@dataclass(frozen=True, slots=True)
class Portfolio:
    """PCAF's metrics of investments; money in the unit of `outstanding`.

    An investment is the lines of one supplier, method and period with the same amounts: what is outstanding, and what
    it is divided by. Its amount counts once, and of scores that are mixed the worst does (PCAF Part A).
    """

    investments: int
    outstanding: float
    kg_co2e_per_outstanding: float
    data_quality_score: float  # 1 to 5, weighted by outstanding; 0: no line has one
    kg_co2e_per_outstanding_adjusted: float  # at the base year's enterprise values; 0: not known of every line


@dataclass(frozen=True, slots=True)
class GroupTotal:
    """The sum of one group."""

    group: str
    activities: int
    estimate: Estimate
    kg_co2e_per_functional_unit: float  # 0: no line has functional units
    portfolio: Portfolio | None  # None: no line has an amount outstanding


def group_totals(emissions: Emissions, factors: FactorTable) -> list[GroupTotal]:
    """Return the totals of the groups, in the order of their first lines; lines without a group are in none."""
    if emissions.group is None:
        return []
    texts = np.array(emissions.groups, np.object_)[emissions.group]
    named = [text for text in dict.fromkeys(texts.tolist()) if text]
    return [_total(text, select(emissions, texts == text), factors) for text in named]


def _total(group: str, lines: Emissions, factors: FactorTable) -> GroupTotal:
    of_all = total(lines, factors)
    units = lines.inputs.get("functional_units")
    functions = fsum(units.values) if units is not None else 0.0
    return GroupTotal(
        group=group,
        activities=len(lines),
        estimate=of_all,
        kg_co2e_per_functional_unit=of_all.kg_co2e / functions if functions else 0.0,
        portfolio=_portfolio(lines),
    )


def _portfolio(lines: Emissions) -> Portfolio | None:
    invested = np.flatnonzero(_values("outstanding", lines.inputs, len(lines)) > 0)
    if not len(invested):
        return None
    given = {name: _values(name, lines.inputs, len(lines))[invested] for name in (*AMOUNTS, *_TOLD)}
    same = [column[invested] for column in (lines.supplier, lines.method, lines.period)]
    keys = np.stack([*same, *(np.nan_to_num(given[name], nan=-1.0) for name in AMOUNTS)], axis=1)
    _, first, investment = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    weight, evic = given["outstanding"][first], given["evic"][first]
    score, base = (_largest(given[name], investment.ravel(), len(first)) for name in _TOLD)
    intensity = fsum(lines.kg_co2e[invested]) / fsum(weight)
    growth = _mean(base / evic, weight)
    return Portfolio(
        investments=len(first),
        outstanding=fsum(weight),
        kg_co2e_per_outstanding=intensity,
        data_quality_score=_mean(score[score > 0], weight[score > 0]),
        kg_co2e_per_outstanding_adjusted=intensity / growth if growth > 0 else 0.0,
    )


def _largest(values: FloatArray, group: Positions, n: int) -> FloatArray:
    """Return each group's largest value; NaN of one without any."""
    largest = np.full(n, np.nan)
    np.fmax.at(largest, group, values)
    return largest


def _values(name: str, inputs: Mapping[str, InputColumn], rows: int) -> FloatArray:
    return spread(inputs[name], rows) if name in inputs else np.full(rows, np.nan)


def _mean(values: FloatArray, weight: FloatArray) -> float:
    """Return the weighted mean; NaN when a value is, 0 of none."""
    return fsum(values * weight) / fsum(weight) if len(values) else 0.0
