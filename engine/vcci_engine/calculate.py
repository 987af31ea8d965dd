"""From activities to emissions: check ▸ understand units ▸ find factors ▸ choose methods ▸ compute ▸ uncertainty.

Everything is done to whole columns; Python decides only per entry of a dictionary and per rejected row. A row's value
comes from the same operations in the same order whatever batch it is in, so results are the same bits.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

import numpy as np
import numpy.typing as npt

from vcci_engine.activities import Activities, FloatArray, InputColumn
from vcci_engine.checks import check_inputs, check_numbers, check_periods, check_quality, check_suppliers, check_units
from vcci_engine.choice import Choice, check_factors, choose, factor_values
from vcci_engine.conversions import Scales, check_scales, find_scales
from vcci_engine.factors import FactorTable
from vcci_engine.findings import Finding, row_errors
from vcci_engine.inputs import amounts, multipliers
from vcci_engine.methods import METHODS
from vcci_engine.quality import VARIANCE, pack
from vcci_engine.results import Calculation, Emissions, Reason, RowErrors
from vcci_engine.segment_codec import COLUMNS
from vcci_engine.units import parse

MAX_KG_CO2E = 5e11  # so that totals stay exact: its micrograms fit into two limbs (totals.py)


def calculate(activities: Activities, factors: FactorTable, *, allow_negative: bool = False) -> Calculation:
    """Return the emissions of the rows that are right, and the first error of each of the others."""
    with np.errstate(all="ignore"):  # wrong rows are calculated along, then left out
        units = [parse(text) for text in activities.units]
        quality = _packed_quality(activities)
        choice = choose(activities, factors.lookup)
        given = multipliers(activities.inputs)
        scales = find_scales(activities, units, given, factors, choice.factor)
        amount = _scaled(amounts(activities.quantity, given), scales)
        kg_co2e = _computed(choice, amount, factor_values(activities, factors.lookup, choice))
        findings = chain(
            check_suppliers(activities),
            check_numbers(activities, allow_negative),
            check_units(activities, units),
            check_periods(activities),
            check_quality(activities.quality, quality),
            check_inputs(activities.inputs, len(activities)),
            check_factors(activities, factors, choice),
            check_scales(activities, factors, choice.factor, scales),
            _check_result(activities, kg_co2e),
        )
        errors = row_errors(findings)
        emissions = _emissions(activities, factors, choice, quality, kg_co2e)
    return Calculation(_without(emissions, errors) if len(errors) else emissions, errors, factors.set_id)


def _packed_quality(activities: Activities) -> npt.NDArray[np.uint16]:
    if activities.quality is None:
        return np.zeros(len(activities), np.uint16)
    return pack(activities.quality)


def _scaled(amount: FloatArray, scales: Scales) -> FloatArray:
    if (scales.scale == 1.0).all():  # x 1.0 would change no bit
        return amount
    return amount * scales.scale.take(scales.index)


def _computed(choice: Choice, amount: FloatArray, factor: FloatArray) -> FloatArray:
    """Apply each row's method; rows without one get what they have."""
    kg_co2e = amount
    for method in METHODS:
        rows = choice.method == method.number
        if rows.all():
            return method.emissions(amount, factor)
        if rows.any():
            kg_co2e = np.where(rows, method.emissions(amount, factor), kg_co2e)
    return kg_co2e


def _emissions(
    activities: Activities,
    factors: FactorTable,
    choice: Choice,
    quality: npt.NDArray[np.uint16],
    kg_co2e: FloatArray,
) -> Emissions:
    """Return all rows as emissions, the wrong ones too."""
    variance = VARIANCE.take(quality, mode="clip") + factors.lookup.sigma2.take(choice.factor)
    return Emissions(
        row=np.arange(len(activities), dtype=np.uint32),
        supplier=activities.supplier,
        category=activities.category.astype(np.uint8),
        method=choice.method,
        period=activities.period,
        quantity=activities.quantity,
        unit=activities.unit,
        factor=factors.lookup.id.take(choice.factor),
        quality=quality,
        kg_co2e=kg_co2e,
        sigma=np.sqrt(variance).astype(np.float32),
        notices=choice.notices,
        groups=activities.groups,
        group=activities.group,
        references=activities.references,
        inputs=dict(activities.inputs),
    )


def _check_result(activities: Activities, kg_co2e: FloatArray) -> Iterator[Finding]:
    within = np.abs(kg_co2e) <= MAX_KG_CO2E
    if not within.all():
        expected = f"at most {MAX_KG_CO2E:g} kg CO2e in one row"
        yield Finding(~within, Reason.OUT_OF_RANGE, "quantity", lambda row: activities.quantity[row], expected)


def _without(emissions: Emissions, errors: RowErrors) -> Emissions:
    """Return the emissions without the rows in error."""
    right = np.ones(len(emissions), np.bool_)
    right[errors.row] = False
    kept = np.flatnonzero(right)
    return replace(
        emissions,
        **{name: getattr(emissions, name).take(kept) for name, _ in COLUMNS},
        group=None if emissions.group is None else emissions.group.take(kept),
        references=tuple(map(emissions.references.__getitem__, kept.tolist())) if emissions.references else (),
        inputs={name: _kept(column, right, kept) for name, column in emissions.inputs.items()},
    )


def _kept(column: InputColumn, right: npt.NDArray[np.bool_], kept: npt.NDArray[np.intp]) -> InputColumn:
    if column.rows is None:
        return InputColumn(column.values[kept])
    has = right[column.rows]
    before = np.cumsum(right) - 1  # row of the batch, to row of the emissions
    return InputColumn(column.values[has], before[column.rows[has]].astype(np.uint32))
