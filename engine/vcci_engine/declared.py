"""Checks of what a row's method declares: its inputs, its group, and parts that belong to one whole."""

from collections.abc import Collection, Iterator
from functools import partial
from math import fsum, isnan, nan

import numpy as np
import numpy.typing as npt

from vcci_engine.activities import Activities, FloatArray
from vcci_engine.conversions import Scales
from vcci_engine.distinct import distinct
from vcci_engine.findings import Finding
from vcci_engine.inputs import ratio, spread
from vcci_engine.methods import BEST_FIRST, DEDUCTIONS, GENERAL, METHODS, RATIOS, SUPPLIER_FACTOR, Data, Method
from vcci_engine.results import Reason

MethodArray = npt.NDArray[np.uint8]

SHARES_TOLERANCE = 1e-6  # a sum of shares may be off 1 by it
_ROUNDING = 1 + 1e-12

_GENERAL = GENERAL | {SUPPLIER_FACTOR.name}
_GROUPED = np.array([False, *(method.grouped for method in METHODS)], np.bool_)
WHOLES = sorted({method.whole for method in METHODS if method.whole})


def check_groups(batch: Activities, method: MethodArray) -> Iterator[Finding]:
    """Find lines of a system that do not say of which."""
    if batch.method is None or not (grouped := _GROUPED.take(method)).any():
        return
    if batch.group is not None:
        grouped &= np.array([not group for group in batch.groups], np.bool_)[batch.group]
    yield Finding(grouped, Reason.REQUIRED_FIELD, "group", lambda row: "", partial(_system, method))


def check_given(batch: Activities, method: MethodArray, scales: Scales) -> Iterator[Finding]:
    """Find rows without an input that their method needs, or with one that it does not take."""
    if batch.method is None and _GENERAL.issuperset(batch.inputs):
        return  # the best of the first three takes all of these
    codes, position = distinct(scales.index * np.intp(256) + method, len(scales.scale) * 256)
    for number, code in enumerate(codes.tolist()):
        if not (used := code % 256):
            continue
        declared, given = METHODS[used - 1], {of.name for of in scales.inputs[code // 256]}
        if (problem := _problem(declared, given)) is not None:
            reason, name = problem
            value = partial(_value, batch, name)
            yield Finding(position == number, reason, f"inputs.{name}", value, _expected(declared, reason))


def check_ratios(batch: Activities) -> Iterator[Finding]:
    """Find parts that are more than their whole."""
    for part, wholes in RATIOS.items():
        of = ratio(part, batch.inputs, len(batch))
        if of is None or not (above := of > _ROUNDING).any():
            continue
        expected = partial(_at_most, batch, part, of, wholes)
        yield Finding(above, Reason.OUT_OF_RANGE, f"inputs.{part}", partial(_value, batch, part), expected)


def check_deductions(batch: Activities, factor: FloatArray) -> Iterator[Finding]:
    """Find rows where more is taken off the factor than it is."""
    for name in (of.name for of in DEDUCTIONS):
        if name in batch.inputs and (below := (factor < 0) & ~np.isnan(spread(batch.inputs[name], len(batch)))).any():
            expected = "less than the factor that it is taken off"
            yield Finding(below, Reason.OUT_OF_RANGE, f"inputs.{name}", partial(_value, batch, name), expected)


def check_shares(batch: Activities, method: MethodArray) -> Iterator[Finding]:
    """Find the rows of systems whose shares do not sum to 1; the batch has every line of its groups."""
    for whole in WHOLES:
        systems = _systems(batch, method, whole)
        if not systems:
            continue
        share = spread(batch.inputs[whole], len(batch))
        wrong, sums = np.zeros(len(batch), np.bool_), np.zeros(len(batch))
        for rows in systems.values():
            sums[rows] = fsum(share[rows])
            wrong[rows] = abs(sums[rows[0]] - 1) > SHARES_TOLERANCE
        expected = partial(_whole, batch, sums)
        yield Finding(wrong, Reason.SHARES_NOT_WHOLE, f"inputs.{whole}", partial(_value, batch, whole), expected)


def _systems(batch: Activities, method: MethodArray, whole: str) -> dict[tuple[int, ...], list[int]]:
    """The rows of each system: lines of one supplier, group, category, method and period."""
    numbers = [of.number for of in METHODS if of.whole == whole]
    systems: dict[tuple[int, ...], list[int]] = {}
    if batch.group is None or whole not in batch.inputs:
        return systems
    columns = (batch.supplier, batch.group, batch.category, method, batch.period)
    for row in np.flatnonzero(np.isin(method, numbers)).tolist():
        systems.setdefault(tuple(int(column[row]) for column in columns), []).append(row)
    return systems


def _problem(method: Method, given: set[str]) -> tuple[Reason, str] | None:
    """Return what is wrong with the inputs given, and the first of them; None when nothing is.

    One of the method's sets must be there whole, and nothing of another.
    """
    own = method.needs & Data.SUPPLIER_FACTOR or method in BEST_FIRST
    beside = method.optional.union([SUPPLIER_FACTOR.name] if own else [])
    if any(needed <= given <= needed | beside for needed in method.inputs):
        return None
    if unknown := sorted(given - beside.union(*method.inputs)):
        return Reason.UNKNOWN_INPUT, unknown[0]
    begun = [needed for needed in method.inputs if needed & given] or method.inputs
    missing = min((sorted(needed - given) for needed in begun), key=lambda gap: (not gap, len(gap)))
    if missing:
        return Reason.MISSING_INPUT, missing[0]
    return Reason.UNKNOWN_INPUT, min(given - beside)


def _expected(method: Method, reason: Reason) -> str:
    sets = " or ".join(" and ".join(sorted(needed)) or "none" for needed in method.inputs)
    if reason == Reason.MISSING_INPUT:
        return f"the inputs of {method.name}: {sets}"
    return f"an input of {method.name}: {sets}; beside: {', '.join(sorted(method.optional)) or 'none'}"


def _value(batch: Activities, name: str, row: int) -> object:
    value = float(spread(batch.inputs[name], len(batch))[row]) if name in batch.inputs else nan
    return "" if isnan(value) else value


def _at_most(batch: Activities, part: str, of: FloatArray, wholes: Collection[str], row: int) -> str:
    given = " and ".join(name for name in wholes if _value(batch, name, row) != "")
    whole = float(spread(batch.inputs[part], len(batch))[row] / of[row])
    return f"at most its whole: {given} ({whole:g})"


def _system(method: MethodArray, row: int) -> str:
    return f"the group that the line belongs to, for {METHODS[method[row] - 1].name}"


def _whole(batch: Activities, sums: FloatArray, row: int) -> str:
    group = batch.groups[batch.group[row]] if batch.group is not None else ""
    return f"shares of {group} that sum to 1, not {sums[row]:g}"
