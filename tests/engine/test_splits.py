"""However rows are split into batches, whatever the dictionaries: the same bits, errors and totals."""

from dataclasses import replace
from itertools import pairwise
from random import Random

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st
from vcci_engine.activities import Activities, IndexArray
from vcci_engine.calculate import calculate
from vcci_engine.results import Calculation
from vcci_engine.totals import Terms, terms_by

from tests.engine.samples import BATCHES, TABLE, part

CUTS = st.lists(st.integers(0, 30), max_size=4)
BITS = ("kg_co2e", "sigma", "factor", "method", "notices", "quality", "quantity", "category", "period")


def shuffled(activities: Activities, random: Random) -> Activities:
    """Return the same rows with every dictionary in another order, and with entries that no row uses."""

    def reorder(entries: tuple[str, ...], column: IndexArray | None) -> tuple[tuple[str, ...], IndexArray | None]:
        order = random.sample(range(len(entries)), len(entries))
        place = np.argsort(order).astype(np.uint32)
        mixed = (*(entries[n] for n in order), "unused")
        return mixed, None if column is None else place[column]

    units, unit = reorder(activities.units, activities.unit)
    factors, factor = reorder(activities.factors, activities.factor)
    assert unit is not None
    return replace(activities, units=units, unit=unit, factors=factors, factor=factor)


def told(calculation: Calculation, offset: int) -> list[tuple[object, ...]]:
    errors = calculation.errors
    rows = (errors.row + np.uint32(offset)).tolist()
    return list(zip(rows, errors.reason, errors.field, errors.value, errors.expected, strict=True))


def joined(calculations: list[Calculation], name: str) -> npt.NDArray[np.generic]:
    return np.concatenate([getattr(calculation.emissions, name) for calculation in calculations])


def terms(calculation: Calculation) -> Terms:
    emissions = calculation.emissions
    group = emissions.category.astype(np.intp)
    return terms_by(group, 16, emissions.kg_co2e, emissions.quality, emissions.factor)


@given(BATCHES, CUTS, st.randoms(use_true_random=False))
def test_any_split_gives_the_same_bits(activities: Activities, cuts: list[int], random: Random) -> None:
    whole = calculate(activities, TABLE)
    bounds = sorted({0, len(activities), *(min(cut, len(activities)) for cut in cuts)})
    parts = [calculate(shuffled(part(activities, a, b), random), TABLE) for a, b in pairwise(bounds)]
    if not parts:
        return
    for name in BITS:
        assert joined(parts, name).tobytes() == getattr(whole.emissions, name).tobytes(), name
    rows = [part.emissions.row + np.uint32(start) for start, part in zip(bounds, parts, strict=False)]
    assert np.concatenate(rows).tolist() == whole.emissions.row.tolist()
    errors = [error for start, part in zip(bounds, parts, strict=False) for error in told(part, start)]
    assert errors == told(whole, 0)
    total = terms(parts[0])
    for other in parts[1:]:
        total = terms(other) + total
    for name in ("rows", "ug", "mean", "variance"):
        assert np.array_equal(getattr(total, name), getattr(terms(whole), name)), name
