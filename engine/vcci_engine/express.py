"""A calculation under another GWP set than its factors', and what its emissions consist of."""

from dataclasses import replace
from functools import partial

import numpy as np

from vcci_engine.activities import Activities, FloatArray, IndexArray, Positions
from vcci_engine.distinct import distinct
from vcci_engine.factors import FactorTable
from vcci_engine.findings import Finding, row_errors
from vcci_engine.gases import Breakdown, breakdown, ratios
from vcci_engine.results import Calculation, Emissions, Reason, RowErrors
from vcci_engine.selection import select


def express(calculation: Calculation, activities: Activities, factors: FactorTable, gwp_set: str) -> Calculation:
    """Return a calculation under a GWP set; rows whose factor cannot give it are rejected. "": as it is."""
    if not gwp_set:
        return calculation
    emissions = calculation.emissions
    ratio = ratios(factors.parts, gwp_set).take(factors.positions(emissions.factor))
    possible = ~np.isnan(ratio)
    kept = select(emissions, possible)
    kept = replace(kept, kg_co2e=kept.kg_co2e * ratio[possible])
    impossible = np.zeros(len(activities), np.bool_)
    impossible[emissions.row[~possible]] = True
    ids = np.zeros(len(activities), np.uint32)
    ids[emissions.row] = emissions.factor
    key, expected = partial(_key, activities), partial(_expected, factors, ids, gwp_set)
    finding = Finding(impossible, Reason.GWP_SET_NOT_POSSIBLE, "factor", key, expected)
    return replace(calculation, emissions=kept, errors=_joined(calculation.errors, row_errors([finding])))


def activity_of(emissions: Emissions, factors: FactorTable, gwp_set: str = "") -> FloatArray:
    """Return each emission, which is under `gwp_set`, as an amount of activity in its factor's unit."""
    per_unit = factors.parts.kg_co2e * ratios(factors.parts, gwp_set) if gwp_set else factors.parts.kg_co2e
    per_unit = per_unit.take(factors.positions(emissions.factor))
    amount = np.zeros(len(emissions)) if emissions.amount is None else emissions.amount.copy()
    return np.divide(emissions.kg_co2e, per_unit, out=amount, where=per_unit != 0)


def consist_of(
    emissions: Emissions, factors: FactorTable, group: Positions, n_groups: int, gwp_set: str = ""
) -> Breakdown:
    """Return what groups of emissions, which are under `gwp_set`, consist of."""
    activity, position = activity_of(emissions, factors, gwp_set), factors.positions(emissions.factor)
    return breakdown(factors.parts, position, activity, group, n_groups, gwp_set)


def total_of(emissions: Emissions, factors: FactorTable, gwp_set: str = "") -> Breakdown:
    """Return what all of the emissions, which are under `gwp_set`, consist of together."""
    positions, factor = _factors(emissions, factors)
    activity = np.bincount(factor, activity_of(emissions, factors, gwp_set), len(positions))
    one = np.zeros(len(positions), np.intp)
    return breakdown(factors.parts, positions, activity.astype(np.float64), one, 1, gwp_set)


def mixes_sets(emissions: Emissions, factors: FactorTable, gwp_set: str = "") -> bool:
    """Tell whether the sum of emissions, which are under `gwp_set`, is under several GWP sets, or unknown ones too."""
    if gwp_set or not factors.parts.one_set:
        return bool(np.count_nonzero(total_of(emissions, factors, gwp_set).by_set) > 1)
    positions, factor = _factors(emissions, factors)
    there = np.bincount(factor, emissions.kg_co2e != 0, len(positions)) > 0
    own = factors.parts.gwp_set.take(positions[there])
    return len(own) > 1 and bool((own != own[0]).any())


def _factors(emissions: Emissions, factors: FactorTable) -> tuple[Positions, Positions]:
    """Return the positions of the factors of emissions in their table, each once, and each emission's among them."""
    ids, factor = distinct(emissions.factor.astype(np.intp), int(emissions.factor.max(initial=0)) + 1)
    return factors.positions(ids), factor


def _joined(first: RowErrors, second: RowErrors) -> RowErrors:
    """Return the errors of both, of different rows, by row."""
    columns = [getattr(first, name) + getattr(second, name) for name in ("reason", "field", "value", "expected")]
    row = np.concatenate((first.row, second.row))
    order = np.argsort(row).tolist()
    return RowErrors(row[order], *(tuple(column[n] for n in order) for column in columns))


def _key(activities: Activities, row: int) -> str:
    return "" if activities.factor is None else activities.factors[activities.factor[row]]


def _expected(factors: FactorTable, ids: IndexArray, gwp_set: str, row: int) -> str:
    if not ids[row]:
        return f"a factor under {gwp_set}, or with gases; suppliers' own and reported emissions have no GWP set"
    parts, position = factors.parts, int(factors.positions(ids[row : row + 1])[0])
    own = parts.sets[parts.gwp_set[position]] or "an unknown set"
    return f"a factor under {gwp_set}, or with gases that it knows; this one is under {own}"
