"""Restating stored emissions under another basis: the new values, and what caused each change, exactly.

A value goes from the stored one to the new one in steps, each of which changes one thing: the methods, the prices,
the factors, the GWP set. What a step changes belongs to its cause, so the causes' differences add up to the whole. A
value that comes out as another with the methods, prices and factors that it was made of is not the one that was stored.
Rows that can no longer be calculated keep their stored values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from vcci_engine.activities import Activities, FloatArray, IndexArray, Positions
from vcci_engine.calculate import calculate
from vcci_engine.express import express
from vcci_engine.factors import FactorTable
from vcci_engine.methods import VERSION
from vcci_engine.results import Basis, Calculation, RowErrors
from vcci_engine.segment_codec import Segment
from vcci_engine.stored import Column, Countries, columns_of, keyed, stored_activities
from vcci_engine.totals import UG_PER_KG

Mask = npt.NDArray[np.bool_]

RESTATED = ("method", "factor", "kg_co2e", "sigma", "notices")  # the columns that a run changes


class Cause(IntEnum):
    """Why a value is another one; the numbers of RunCause in protos/vcci/v1/run.proto (a test compares them)."""

    METHOD = 1
    FACTOR_VALUE = 2
    FACTOR_REGION_OR_YEAR = 3
    GWP_SET = 4
    PRICE_SET = 5
    NOT_CALCULABLE = 6
    RESULT_ALTERED = 7


@dataclass(frozen=True, slots=True)
class Changes:
    """K changes of rows by their causes; a row may have several."""

    row: Positions  # [K]
    cause: npt.NDArray[np.uint8]  # [K]
    before: FloatArray  # [K], kg CO2e
    after: FloatArray  # [K], kg CO2e; of NOT_CALCULABLE the same


@dataclass(frozen=True, slots=True)
class Tables:
    """The factors and prices that stored emissions rest on, and those that they are restated under."""

    old: FactorTable
    priced: FactorTable  # the old factors with the new prices; `old` itself where these are the same
    new: FactorTable


@dataclass(frozen=True, slots=True)
class Restatement:
    """N stored emissions under another basis."""

    columns: Mapping[str, Column]  # RESTATED, [N]
    changes: Changes
    errors: RowErrors  # the rows that keep their stored values


def restate(
    segments: Sequence[Segment],
    wanted: Mask,
    countries: Countries,
    basis: Basis,
    tables: Tables,
    gwp_set: str = "",
) -> Restatement:
    """Restate the rows `wanted` of segments of one basis, in a GWP set; empty: in each factor's own.

    Other rows keep their columns. The same rows give the same bits whatever segments are restated together.
    """
    activities, used = stored_activities(segments, countries)
    stored = dict(zip(RESTATED, columns_of(segments, *RESTATED), strict=True))
    activities = replace(activities, **keyed(used, _keys(used, tables.old)))
    calculated = calculate(activities, tables.new, allow_negative=True)
    expressed = express(calculated, activities, tables.new, gwp_set)
    rows = expressed.emissions.row  # the others keep their values
    right = np.zeros(len(wanted), np.bool_)
    right[rows] = wanted[rows]
    restated = {name: _updated(column, expressed, name, right) for name, column in stored.items()}
    steps = _Steps(stored["kg_co2e"], wanted)
    again = Cause.RESULT_ALTERED if basis.method_version == VERSION else Cause.METHOD
    steps.add(_with_the_same_factors(activities, used, tables.old, right, steps.kg_co2e), again)
    if tables.old is not tables.priced:
        steps.add(_with_the_same_factors(activities, used, tables.priced, right, steps.kg_co2e), Cause.PRICE_SET)
    causes = _factor_causes(stored, restated, np.flatnonzero(right), tables)
    steps.add(_updated(steps.kg_co2e, calculated, "kg_co2e", right), causes)
    steps.add(restated["kg_co2e"], Cause.GWP_SET)
    errors = _only(expressed.errors, wanted)
    steps.keep(errors.row)
    return Restatement(restated, steps.changes(), errors)


class _Steps:
    """The values of rows from step to step; rows that a step cannot calculate stay at the value before."""

    def __init__(self, kg_co2e: FloatArray, wanted: Mask) -> None:
        self.kg_co2e = kg_co2e
        self._wanted = wanted
        self._found: list[Changes] = []

    def add(self, kg_co2e: FloatArray, cause: npt.NDArray[np.uint8] | Cause) -> None:
        """Note which rows a step changes, by a microgram at least, and why."""
        moved = np.rint(self.kg_co2e * UG_PER_KG) != np.rint(kg_co2e * UG_PER_KG)
        rows = np.flatnonzero(moved & self._wanted)
        causes = np.broadcast_to(np.asarray(cause, np.uint8), len(kg_co2e))[rows]
        self._found.append(Changes(rows, causes, self.kg_co2e[rows], kg_co2e[rows]))
        self.kg_co2e = kg_co2e

    def keep(self, rows: IndexArray) -> None:
        """Note rows that keep their stored values."""
        kept, value = rows.astype(np.intp), self.kg_co2e[rows]
        self._found.append(Changes(kept, np.full(len(kept), Cause.NOT_CALCULABLE, np.uint8), value, value))

    def changes(self) -> Changes:
        return Changes(
            np.concatenate([found.row for found in self._found]),
            np.concatenate([found.cause for found in self._found]),
            np.concatenate([found.before for found in self._found]),
            np.concatenate([found.after for found in self._found]),
        )


def _keys(used: IndexArray, table: FactorTable) -> dict[int, str]:
    """The keys of the factors used, by their ids."""
    ids = np.unique(used[used != 0])
    places = table.positions(ids).tolist()
    return {number: table.key[place] for number, place in zip(ids.tolist(), places, strict=True)}


def _updated(column: Column, calculation: Calculation, name: str, right: Mask) -> Column:
    """Return a column with the calculated values of the rows that are right."""
    emissions = calculation.emissions
    taken = right[emissions.row]
    updated = column.copy()
    updated[emissions.row[taken]] = getattr(emissions, name)[taken]
    return updated


def _with_the_same_factors(
    activities: Activities, used: IndexArray, table: FactorTable, right: Mask, kg_co2e: FloatArray
) -> FloatArray:
    """Return the values under the very factors that were used, whatever their regions and years."""
    names = {number: str(number) for number in np.unique(used).tolist()}
    again = calculate(replace(activities, **keyed(used, names)), table.by_ids(), allow_negative=True)
    return _updated(kg_co2e, again, "kg_co2e", right)


def _factor_causes(
    stored: Mapping[str, Column], restated: Mapping[str, Column], rows: Positions, tables: Tables
) -> npt.NDArray[np.uint8]:
    """Return why each row's value would change with its factor; `rows` are those that could be calculated."""
    old, new = tables.old, tables.new
    causes = np.full(len(stored["factor"]), Cause.FACTOR_VALUE, np.uint8)
    again = rows[stored["factor"][rows] != restated["factor"][rows]]
    before, after = old.positions(stored["factor"][again]), new.positions(restated["factor"][again])
    codes, place = np.unique(before * np.intp(len(new) + 2) + after, return_inverse=True)
    pairs = [divmod(code, len(new) + 2) for code in codes.tolist()]
    moved = np.array([_is_elsewhere(one, other, old, new) for one, other in pairs], np.bool_)
    causes[again[moved[place]]] = Cause.FACTOR_REGION_OR_YEAR
    causes[stored["method"] != restated["method"]] = Cause.METHOD
    return causes


def _is_elsewhere(before: int, after: int, old: FactorTable, new: FactorTable) -> bool:
    """Whether two factors are of different regions or years; a supplier's own is of none."""
    if before >= len(old) or after >= len(new):
        return False
    return (old.region[before], old.year[before]) != (new.region[after], new.year[after])


def _only(errors: RowErrors, wanted: Mask) -> RowErrors:
    """The errors of the rows that are wanted."""
    kept = np.flatnonzero(wanted[errors.row])
    if len(kept) == len(errors):
        return errors
    columns: list[Any] = [errors.reason, errors.field, errors.value, errors.expected]
    return RowErrors(errors.row[kept], *(tuple(column[place] for place in kept.tolist()) for column in columns))
