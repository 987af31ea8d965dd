"""From activities to emissions: check ▸ understand units ▸ find factors ▸ choose methods ▸ compute ▸ uncertainty.

Everything is done to whole columns; Python decides only per entry of a dictionary and per rejected row. A row's value
comes from the same operations in the same order whatever batch it is in, so results are the same bits.
"""

from collections.abc import Iterator
from functools import reduce
from itertools import chain

import numpy as np
import numpy.typing as npt

from vcci_engine.activities import Activities, FloatArray
from vcci_engine.checks import check_inputs, check_numbers, check_periods, check_quality, check_suppliers, check_units
from vcci_engine.choice import Choice, basis_notices, check_factors, choose, constants, factor_values
from vcci_engine.conversions import Scales, check_amounts, check_scales, find_scales
from vcci_engine.declared import check_deductions, check_given, check_groups, check_ratios, check_shares
from vcci_engine.factors import FactorTable
from vcci_engine.findings import Finding, row_errors
from vcci_engine.inputs import amounts, known
from vcci_engine.methods import VERSION
from vcci_engine.quality import VARIANCE, pack
from vcci_engine.results import Basis, Calculation, Emissions, Reason
from vcci_engine.selection import select
from vcci_engine.units import parse

MAX_KG_CO2E = 5e11  # so that totals stay exact: its micrograms fit into two limbs (totals.py)


def calculate(
    activities: Activities, factors: FactorTable, *, allow_negative: bool = False, whole_groups: bool = False
) -> Calculation:
    """Return the emissions of the rows that are right, and the first error of each of the others.

    `whole_groups`: the batch has every line of its groups, so that their shares can be added up.
    """
    with np.errstate(all="ignore"):  # wrong rows are calculated along, then left out
        units = [parse(text) for text in activities.units]
        quality = _packed_quality(activities)
        choice = choose(activities, factors.lookup, units)
        scales = find_scales(activities, units, known(activities.inputs), factors, choice)
        amount = _scaled(amounts(activities.quantity, activities.inputs), scales)
        if (constant := constants(activities, choice)) is not None:
            amount = amount * constant
        factor = factor_values(activities, factors.lookup, choice)
        kg_co2e = amount * factor
        findings = chain(
            check_suppliers(activities),
            check_numbers(activities, allow_negative),
            check_units(activities, units),
            check_periods(activities),
            check_quality(activities.quality, quality),
            check_inputs(activities.inputs, len(activities)),
            check_factors(activities, factors, choice),
            check_groups(activities, choice.method),
            check_given(activities, choice.method, scales),
            check_ratios(activities),
            check_deductions(activities, factor),
            check_amounts(activities, choice.method, scales),
            check_scales(activities, factors, choice.factor, scales),
            check_shares(activities, choice.method) if whole_groups else (),
            _check_result(activities, kg_co2e),
        )
        errors = row_errors(findings)
        notices = _notices(choice, scales.notices(), basis_notices(activities, factors.lookup, choice))
        emissions = _emissions(activities, factors, choice, notices, quality, kg_co2e, amount)
    right = np.ones(len(emissions), np.bool_)
    right[errors.row] = False
    basis = Basis(factors.set_id, factors.prices.set_id, VERSION)
    return Calculation(select(emissions, right) if len(errors) else emissions, errors, basis)


def _packed_quality(activities: Activities) -> npt.NDArray[np.uint16]:
    if activities.quality is None:
        return np.zeros(len(activities), np.uint16)
    return pack(activities.quality)


def _scaled(amount: FloatArray, scales: Scales) -> FloatArray:
    if (scales.scale == 1.0).all():  # x 1.0 would change no bit
        return amount
    scaled = scales.scale.take(scales.index)
    scaled *= amount
    return scaled


def _notices(choice: Choice, *more: npt.NDArray[np.uint16] | None) -> npt.NDArray[np.uint16]:
    return reduce(np.bitwise_or, (bits for bits in more if bits is not None), choice.notices)


def _emissions(
    activities: Activities,
    factors: FactorTable,
    choice: Choice,
    notices: npt.NDArray[np.uint16],
    quality: npt.NDArray[np.uint16],
    kg_co2e: FloatArray,
    amount: FloatArray,
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
        notices=notices,
        amount=amount,
        groups=activities.groups,
        group=activities.group,
        references=activities.references,
        inputs=dict(activities.inputs),
    )


def _check_result(activities: Activities, kg_co2e: FloatArray) -> Iterator[Finding]:
    if len(kg_co2e) and not -MAX_KG_CO2E <= kg_co2e.min() <= kg_co2e.max() <= MAX_KG_CO2E:  # nor where one is NaN
        within = np.abs(kg_co2e) <= MAX_KG_CO2E
        expected = f"at most {MAX_KG_CO2E:g} kg CO2e in one row"
        yield Finding(~within, Reason.OUT_OF_RANGE, "quantity", lambda row: activities.quantity[row], expected)
