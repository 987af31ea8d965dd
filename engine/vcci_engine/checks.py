"""Checks of each row's fields, before anything is looked up or calculated.

Each check costs a pass or two over a column; masks are made only where something is wrong.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial

import numpy as np
import numpy.typing as npt

from vcci_engine.activities import Activities, IndexArray, InputColumn
from vcci_engine.countries import alpha_2
from vcci_engine.dates import EPOCH, FIRST_DAY, LAST_DAY
from vcci_engine.findings import Finding
from vcci_engine.methods import CATEGORIES, INPUTS, METHODS, Input
from vcci_engine.quality import INVALID, SCORES, WORST, scores
from vcci_engine.results import Reason
from vcci_engine.suppliers import MAX_CODE_BYTES, MISSING, TOO_LONG
from vcci_engine.units import Unit

_CATEGORY = f"1 to {CATEGORIES}"
_METHOD = f"0 (the best possible), or 1 to {len(METHODS)}, a method (docs/methods.md)"
_INPUT = "an input that a method knows, like distance, days or share (docs/methods.md)"
_UNIT = "a unit, like kg, kWh, tonne*km or m3 (not ton: tonne or short_ton), or an ISO 4217 currency"
_PERIOD = f"a day from {EPOCH + timedelta(FIRST_DAY)} to {EPOCH + timedelta(LAST_DAY)}"


def check_suppliers(batch: Activities) -> Iterator[Finding]:
    """Find rows whose supplier has no code, one that is too long, or a country that does not exist."""
    suppliers, entry = batch.suppliers, batch.supplier
    if suppliers.fault is not None:
        fault = suppliers.fault.take(entry)
        missing, too_long = fault == MISSING, fault == TOO_LONG
        yield Finding(missing, Reason.REQUIRED_FIELD, "supplier_code", lambda row: "", "the supplier's code")
        expected = f"at most {MAX_CODE_BYTES} bytes"
        yield Finding(too_long, Reason.OUT_OF_RANGE, "supplier_code", lambda row: suppliers.codes[entry[row]], expected)
    unknown = [alpha_2(country) is None for country in suppliers.countries]
    if any(unknown):
        wrong = suppliers.with_countries(unknown).take(entry)
        expected = "an ISO 3166-1 code, like DE or DEU"
        yield Finding(wrong, Reason.OUT_OF_RANGE, "country", lambda row: suppliers.country_of(entry[row]), expected)


def check_numbers(batch: Activities, allow_negative: bool) -> Iterator[Finding]:
    """Find wrong categories, methods and quantities."""
    category, method, quantity = batch.category, batch.method, batch.quantity
    if (wrong := category - np.uint32(1) >= CATEGORIES).any():
        yield Finding(wrong, Reason.UNKNOWN_CATEGORY, "category", lambda row: category[row], _CATEGORY)
    if method is not None and (wrong := method > len(METHODS)).any():
        yield Finding(wrong, Reason.UNKNOWN_METHOD, "method", lambda row: method[row], _METHOD)
    if not (finite := np.isfinite(quantity)).all():
        yield Finding(~finite, Reason.NOT_FINITE, "quantity", lambda row: quantity[row], "a finite number")
    if not allow_negative and (wrong := quantity < 0).any():
        expected = "0 or more, or an upload that allows negative quantities"
        yield Finding(wrong, Reason.NEGATIVE, "quantity", lambda row: quantity[row], expected)


def check_units(batch: Activities, units: Sequence[Unit | None]) -> Iterator[Finding]:
    """Find units that are empty or not understood."""
    texts = batch.units
    if None in units:
        empty = _rows(batch.unit, [not text.strip() for text in texts])
        yield Finding(empty, Reason.REQUIRED_FIELD, "unit", lambda row: texts[batch.unit[row]], _UNIT)
        unknown = _rows(batch.unit, [unit is None for unit in units])
        yield Finding(unknown, Reason.UNKNOWN_UNIT, "unit", lambda row: texts[batch.unit[row]], _UNIT)


def check_periods(batch: Activities) -> Iterator[Finding]:
    """Find periods outside the calendar."""
    period = batch.period
    if len(period) and not FIRST_DAY <= period.min() <= period.max() <= LAST_DAY:
        wrong = (period < FIRST_DAY) | (period > LAST_DAY)
        yield Finding(wrong, Reason.OUT_OF_RANGE, "reporting_period", lambda row: _date(period[row]), _PERIOD)


def check_quality(wire: IndexArray | None, packed: npt.NDArray[np.uint16]) -> Iterator[Finding]:
    """Find scores above 5."""
    if wire is None or not (wrong := packed == INVALID).any():
        return
    beyond = wire > 0xFFFFF
    expected = "five hexadecimal digits, 0x00000 to 0x55555"
    yield Finding(beyond, Reason.OUT_OF_RANGE, "quality", lambda row: hex(wire[row]), expected)
    for place, name in enumerate(SCORES):
        above = wrong & (wire >> np.uint32(4 * (4 - place)) & 0xF > WORST)
        value = partial(_score, wire, name)
        yield Finding(above, Reason.OUT_OF_RANGE, f"quality.{name}", value, "0 (unknown), or 1 (best) to 5 (worst)")


def check_inputs(inputs: Mapping[str, InputColumn], rows: int) -> Iterator[Finding]:
    """Find inputs that no method knows, and values that are not finite or outside the input's range."""
    for name, column in sorted(inputs.items()):
        if name not in INPUTS:
            every = np.ones(len(column.values), np.bool_)
            yield _input(name, column, every, rows, Reason.UNKNOWN_INPUT, _INPUT)
        else:
            yield from _check_input(INPUTS[name], column, rows)


def _check_input(known: Input, column: InputColumn, rows: int) -> Iterator[Finding]:
    values, within = column.values, f"{known.minimum:g} to {known.maximum:g} {known.unit}".rstrip()
    if not (finite := np.isfinite(values)).all():
        yield _input(known.name, column, ~finite, rows, Reason.NOT_FINITE, "a finite number")
    if known.minimum >= 0 and (wrong := values < 0).any():
        yield _input(known.name, column, wrong, rows, Reason.NEGATIVE, within)
    if known.is_choice and (wrong := values % 1 != 0).any():
        yield _input(known.name, column, wrong, rows, Reason.OUT_OF_RANGE, known.what)
    if (wrong := (values < known.minimum) | (values > known.maximum)).any():
        yield _input(known.name, column, wrong, rows, Reason.OUT_OF_RANGE, within)


def _input(
    name: str, column: InputColumn, wrong: npt.NDArray[np.bool_], rows: int, reason: Reason, expected: str
) -> Finding:
    field = f"inputs.{name}"
    at = column.rows
    if at is None:
        return Finding(wrong, reason, field, lambda row: column.values[row], expected)
    spread = np.zeros(rows, np.bool_)
    spread[at[wrong]] = True
    return Finding(spread, reason, field, lambda row: column.values[np.searchsorted(at, row)], expected)


def _score(wire: IndexArray, name: str, row: int) -> int:
    return scores(int(wire[row]))[name]


def _rows(index: IndexArray, wrong: Sequence[bool]) -> npt.NDArray[np.bool_]:
    return np.array(wrong, np.bool_)[index]


def _date(days: int) -> str:
    try:
        return str(EPOCH + timedelta(int(days)))
    except OverflowError:
        return f"{days} days since {EPOCH}"
