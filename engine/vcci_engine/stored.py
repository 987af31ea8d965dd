"""Stored emissions as activities again: what they were calculated from, to be calculated anew.

What a segment does not hold is made up so that it changes nothing: suppliers have no codes of their own, and the method
wanted is the one used, or the one that its notices say was wanted before it.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from vcci_engine.activities import Activities, FloatArray, IndexArray, InputColumn
from vcci_engine.methods import DOWNGRADES
from vcci_engine.quality import unpack
from vcci_engine.segment_codec import Segment, decode, decode_inputs, decode_strings
from vcci_engine.suppliers import Suppliers

Countries = Callable[[npt.NDArray[np.int32]], Sequence[str]]  # the countries of suppliers, by their ids
Column = npt.NDArray[Any]


def columns_of(segments: Sequence[Segment], *names: str) -> list[Column]:
    """Return columns of all segments, one behind the other."""
    return [np.concatenate([decode(name, segment.columns[name]) for segment in segments]) for name in names]


def stored_activities(segments: Sequence[Segment], countries: Countries) -> tuple[Activities, IndexArray]:
    """Return the activities of segments without keys of factors, and the ids of the factors used."""
    supplier, category, method, quantity, factor, quality, notices = columns_of(
        segments, "supplier", "category", "method", "quantity", "factor", "quality", "notices"
    )
    suppliers, supplier_index = np.unique(supplier, return_inverse=True)
    units, unit = _units(segments)
    groups, group = _groups(segments)
    activities = Activities(
        suppliers=Suppliers.of(["-"] * len(suppliers), (), countries(suppliers)),
        units=units,
        factors=(),
        supplier=supplier_index.astype(np.uint32),
        category=category.astype(np.uint32),
        quantity=quantity,
        unit=unit,
        period=_periods(segments),
        method=wanted_methods(method, notices),
        quality=unpack(quality),
        groups=groups,
        group=group,
        inputs=_inputs(segments),
    )
    return activities, factor


def wanted_methods(method: npt.NDArray[np.uint8], notices: npt.NDArray[np.uint16]) -> IndexArray:
    """Return the method that each row wanted, as far as it matters: the one used, or the one it was used instead of."""
    wanted = method.astype(np.uint32)
    for (asked, _), notice in DOWNGRADES.items():
        wanted[notices & np.uint16(1 << notice) != 0] = asked
    return wanted


def _periods(segments: Sequence[Segment]) -> npt.NDArray[np.int32]:
    days = [decode("period", segment.columns["period"]) + np.int32(segment.quarter) for segment in segments]
    return np.concatenate(days).astype(np.int32, copy=False)


def _units(segments: Sequence[Segment]) -> tuple[tuple[str, ...], IndexArray]:
    number = {unit: n for n, unit in enumerate(dict.fromkeys(unit for segment in segments for unit in segment.units))}
    columns = [
        np.array([number[unit] for unit in segment.units], np.uint32).take(decode("unit", segment.columns["unit"]))
        for segment in segments
    ]
    return tuple(number), np.concatenate(columns)


def _groups(segments: Sequence[Segment]) -> tuple[tuple[str, ...], IndexArray | None]:
    if not any(segment.group for segment in segments):
        return (), None
    texts = [text for segment in segments for text in decode_strings(segment.group, segment.n)]
    number = {text: n for n, text in enumerate(dict.fromkeys(texts))}
    return tuple(number), np.fromiter(map(number.__getitem__, texts), np.uint32, len(texts))


def _inputs(segments: Sequence[Segment]) -> dict[str, InputColumn]:
    found: dict[str, list[tuple[IndexArray, FloatArray]]] = {}
    starts = accumulate((segment.n for segment in segments), initial=0)
    for segment, start in zip(segments, starts, strict=False):
        for name, column in decode_inputs(segment.inputs, segment.n).items():
            rows = np.arange(segment.n, dtype=np.uint32) if column.rows is None else column.rows
            found.setdefault(name, []).append((rows + np.uint32(start), column.values))
    return {name: _joined(given, sum(segment.n for segment in segments)) for name, given in found.items()}


def _joined(given: Sequence[tuple[IndexArray, FloatArray]], n: int) -> InputColumn:
    values = np.concatenate([values for _, values in given])
    return InputColumn(values, None if len(values) == n else np.concatenate([rows for rows, _ in given]))


def keyed(used: IndexArray, keys: Mapping[int, str]) -> dict[str, Any]:
    """Return the fields of activities that name the factors used by `keys`, by id; id 0 has none."""
    ids, index = np.unique(used, return_inverse=True)
    return {
        "factors": tuple(keys[number] if number else "" for number in ids.tolist()),
        "factor": index.astype(np.uint32),
    }
