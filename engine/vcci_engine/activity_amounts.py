"""Amounts of activity in chosen units: quantities with their inputs, whatever factors they met."""

from collections.abc import Sequence

import numpy as np

from vcci_engine.activities import Activities, FloatArray, Positions
from vcci_engine.conversions import amount_unit
from vcci_engine.distinct import distinct
from vcci_engine.inputs import amounts, known, sets
from vcci_engine.units import Unit, conversion, parse

NO_UNIT = -1


def amounts_in(activities: Activities, wanted: Sequence[Unit]) -> tuple[FloatArray, Positions]:
    """Return each row's amount, and which of the units it is in: the first of its dimensions.

    0 and NO_UNIT where it is in none of them.
    """
    index, input_sets = sets(known(activities.inputs), len(activities))
    code = activities.unit.astype(np.intp) * len(input_sets) + index
    codes, position = distinct(code, len(activities.units) * len(input_sets))
    found = []
    for unit, of in (divmod(value, len(input_sets)) for value in codes.tolist()):
        found.append(_in_one_of(amount_unit(parse(activities.units[unit]), input_sets[of]), wanted))
    scale = np.array([scale for scale, _ in found], np.float64).take(position)
    place = np.array([place for _, place in found], np.intp).take(position)
    return amounts(activities.quantity, activities.inputs) * scale, place


def _in_one_of(unit: Unit | None, wanted: Sequence[Unit]) -> tuple[float, int]:
    if unit is not None:
        for place, to in enumerate(wanted):
            if (scale := conversion(unit, to)) is not None:
                return scale, place
    return 0.0, NO_UNIT
