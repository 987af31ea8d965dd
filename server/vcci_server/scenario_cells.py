"""Emissions as the cells that levers act on: from the rollups where scopes allow it, else in one pass over the rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from vcci_engine.errors import InvalidField
from vcci_engine.levers import Cell
from vcci_engine.totals import terms_by, ug_ints, variance_ints
from vcci_engine.units import parse

from vcci_server.hotspot_passes import numbered, unit_numbers
from vcci_server.hotspot_reading import Emissions
from vcci_server.storage.passes import Tally, column, combine_tallies, no_tally, pass_over, tally
from vcci_server.storage.reading import Filter, Ids, StoredSegment
from vcci_server.storage.sums import Keys, Sums, combine, grouped, nothing, regroup

MOST_CELLS = 300_000  # some 150 MB, and seconds for each lever
CODES = 256  # of categories and methods, a byte each in the store

Units = dict[str, int]


@dataclass(frozen=True, slots=True)
class Scope:
    """Which rows a lever is about; None does not restrict."""

    suppliers: Ids | None = None  # ascending
    categories: tuple[int, ...] | None = None
    methods: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Scopes:
    """All scopes as tables of bits: a row is within those whose bits it has in all of them."""

    by_category: Keys  # [CODES]
    by_method: Keys  # [CODES]
    suppliers: Ids  # ascending: those that any scope names
    by_supplier: Keys
    by_other: int  # of all other suppliers

    @classmethod
    def of(cls, scopes: Sequence[Scope]) -> "Scopes":
        """Return the tables."""
        named = [scope.suppliers for scope in scopes if scope.suppliers is not None]
        suppliers = np.unique(np.concatenate(named)) if named else np.empty(0, np.int32)
        by_supplier = np.zeros(len(suppliers), np.int64)
        by_other = 0
        for bit, scope in enumerate(scopes):
            if scope.suppliers is None:
                by_other |= 1 << bit
                by_supplier |= 1 << bit
            else:
                by_supplier[np.searchsorted(suppliers, scope.suppliers)] |= 1 << bit
        categories = _bits([scope.categories for scope in scopes])
        return cls(categories, _bits([scope.methods for scope in scopes]), suppliers, by_supplier, by_other)

    def bits(self, category: npt.NDArray[Any], method: npt.NDArray[Any], supplier: npt.NDArray[Any] | None) -> Keys:
        """Return the scopes that rows are within; no supplier: of those that no scope names."""
        of: Keys = self.by_category.take(category) & self.by_method.take(method)
        if supplier is None or not len(self.suppliers):
            return of & self.by_other
        place = np.searchsorted(self.suppliers, supplier).clip(max=len(self.suppliers) - 1)
        return of & np.where(self.suppliers[place] == supplier, self.by_supplier[place], self.by_other)


@dataclass(frozen=True, slots=True)
class Scoped:
    """Sums by scopes, category, unit and factor, and the quantities by the same."""

    sums: Sums
    quantities: Tally

    def __len__(self) -> int:
        return len(self.sums)


async def read_cells(
    emissions: Emissions, scopes: Scopes, *, with_quantities: bool, on_rows: Callable[[int], None]
) -> list[Cell]:
    """Return the cells of the filter; their quantities only when they are asked for."""
    if not with_quantities and not len(scopes.suppliers):
        (sums,) = await emissions.sums(["category", "method", "factor"])
        category, method, factor = sums.keys
        scoped = await emissions.run(regroup, [scopes.bits(category, method, None), factor], sums.terms)
        return await emissions.run(_cells, scoped)
    columns = [
        "supplier",
        "category",
        "method",
        "factor",
        "quality",
        "kg_co2e",
        *(["unit", "quantity"] * with_quantities),
    ]
    segments = await emissions.segments(columns)
    if not with_quantities:
        of_chunk = partial(_scoped_sums, chosen=emissions.chosen, scopes=scopes)
        sums = await pass_over(emissions.run, segments, of_chunk, combine, nothing(2), on_rows)
        return await emissions.run(_cells, sums)
    units: Units = {}
    of_rows = partial(_scoped, chosen=emissions.chosen, scopes=scopes, units=units)
    none = Scoped(nothing(4), no_tally(4, 1))
    found = await pass_over(emissions.run, numbered(segments, units), of_rows, _combine, none, on_rows)
    return await emissions.run(_cells_with_quantities, found, [*units])


def _bits(allowed: Sequence[tuple[int, ...] | None]) -> Keys:
    table = np.zeros(CODES, np.int64)
    for bit, values in enumerate(allowed):
        table[slice(None) if values is None else list(values)] |= 1 << bit
    return table


def _scoped_sums(segments: Sequence[StoredSegment], *, chosen: Filter, scopes: Scopes) -> Sums:
    bits, factor = _bits_of(segments, chosen, scopes), column(segments, chosen, "factor")
    return _summed(segments, chosen, [bits, factor])


def _scoped(segments: Sequence[StoredSegment], *, chosen: Filter, scopes: Scopes, units: Units) -> Scoped:
    keys = [
        _bits_of(segments, chosen, scopes),
        column(segments, chosen, "category"),
        unit_numbers(segments, chosen, units),
        column(segments, chosen, "factor"),
    ]
    return Scoped(_summed(segments, chosen, keys), tally(keys, [column(segments, chosen, "quantity")]))


def _bits_of(segments: Sequence[StoredSegment], chosen: Filter, scopes: Scopes) -> Keys:
    category, method, supplier = (column(segments, chosen, name) for name in ("category", "method", "supplier"))
    return scopes.bits(category, method, supplier)


def _summed(segments: Sequence[StoredSegment], chosen: Filter, keys: Sequence[npt.NDArray[Any]]) -> Sums:
    kg, quality, factor = (column(segments, chosen, name) for name in ("kg_co2e", "quality", "factor"))
    if not len(kg):
        return nothing(len(keys))
    group, first = grouped(keys, len(kg))
    return Sums(tuple(key[first].astype(np.int64) for key in keys), terms_by(group, len(first), kg, quality, factor))


def _combine(parts: Sequence[Scoped]) -> Scoped:
    return Scoped(combine([part.sums for part in parts]), combine_tallies([part.quantities for part in parts]))


def _cells(sums: Sums) -> list[Cell]:
    scopes, factor = sums.keys
    _check_number(len(sums))
    columns = (scopes.tolist(), factor.tolist(), sums.terms.rows.tolist(), *_amounts(sums))
    return [Cell(*row) for row in zip(*columns, strict=True)]


def _cells_with_quantities(found: Scoped, units: Sequence[str]) -> list[Cell]:
    """Both sums are by the same keys, in the same order."""
    scopes, category, unit, factor = found.sums.keys
    _check_number(len(found))
    parsed = [parse(text) for text in units]
    kinds = [of.dimensions if of is not None else ((text, 0),) for of, text in zip(parsed, units, strict=True)]
    scale = np.array([float(of.scale) if of is not None else 1.0 for of in parsed])
    of_cells = [(number, kinds[place]) for number, place in zip(category.tolist(), unit.tolist(), strict=True)]
    pools = {kind: place for place, kind in enumerate(sorted(set(of_cells)))}
    columns = (
        *(scopes.tolist(), factor.tolist(), found.sums.terms.rows.tolist()),
        *_amounts(found.sums),
        [pools[kind] for kind in of_cells],
        (found.quantities.amounts(0) * scale.take(unit)).tolist(),
    )
    return [Cell(*row) for row in zip(*columns, strict=True)]


def _amounts(sums: Sums) -> tuple[list[int], list[int], list[int], list[int]]:
    terms = sums.terms
    return ug_ints(terms.ug), ug_ints(terms.mean), variance_ints(terms.variance), variance_ints(terms.third)


def _check_number(cells: int) -> None:
    if cells > MOST_CELLS:
        expected = f"at most {MOST_CELLS} groups of rows that levers treat alike: fewer levers, or a narrower filter"
        raise InvalidField("levers", cells, expected, reason="LIMIT_EXCEEDED")
