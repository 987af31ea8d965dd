"""Suppliers' figures as of a run: the totals behind the table, and what the run adds to them.

They are columns in memory, which pages are read from as from the table; a table of them would be written anew for every
run whenever an upload comes.
"""

import operator
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from vcci_engine.errors import WrongState

from vcci_server.filters import Comparison
from vcci_server.storage import runs
from vcci_server.storage.figures import currency_code
from vcci_server.storage.pool import Connection
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.summing import Run
from vcci_server.storage.supplier_orders import Orders, order_of
from vcci_server.storage.supplier_totals import Columns, Totals, columns_of

MOST_KEPT = 1_000_000  # suppliers of all runs; some 90 bytes each

Mask = npt.NDArray[np.bool_]

_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    ":": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class FiguresAsOf:
    """The figures of the suppliers that have emissions, as of a run."""

    columns: Columns
    orders: Orders

    @classmethod
    def of(cls, totals: Sequence[tuple[bytes, bytes]], changes: Sequence[bytes]) -> "FiguresAsOf":
        """Return those of the blocks of totals, and of noted changes."""
        total = Totals.nothing().plus([*(Totals.of_blocks(*block) for block in totals), Totals.of_changes(changes)])
        columns = columns_of(total)
        ids = columns.supplier_id.astype(np.int32)
        by = {name: order_of(ids, getattr(columns, name)) for name in ("kg_co2e", "carbon_intensity")}
        return cls(columns, by)

    def chosen(self, given: Comparison, value: str | float | None) -> list[int]:
        """Return the suppliers of which a comparison with a value is true; None: that there is one."""
        if given.field == "currency":
            mask = _each(self.columns.currency, lambda code: _is_like(code, given.operator, value))
        else:
            column = getattr(self.columns, given.field)
            mask = ~np.isnan(column)
            if value is not None:
                mask &= _COMPARE[given.operator](column, value)
        ids: list[int] = self.columns.supplier_id[mask].tolist()
        return ids

    def fill(self, rows: Sequence[dict[str, Any]], fields: frozenset[str]) -> None:
        """Put fields of the figures into rows by their `supplier_id`."""
        ids = self.columns.supplier_id
        for row in rows:
            place = int(np.searchsorted(ids, row["supplier_id"]))
            known = place < len(ids) and ids[place] == row["supplier_id"]
            row.update({name: self._value(name, place) if known else None for name in fields})

    def fill_keys(self, rows: Sequence[dict[str, Any]], order_by: str) -> None:
        """Put the figure that the order is by into rows as their `key`."""
        ids, keys = self.columns.supplier_id, getattr(self.columns, order_by)
        for row in rows:
            row["key"] = float(keys[np.searchsorted(ids, row["supplier_id"])])

    def _value(self, name: str, place: int) -> str | int | float | None:
        value = getattr(self.columns, name)[place].item()
        if name == "currency":
            return currency_code(value)
        return None if value != value else value


class RunFigures:
    """The figures as of runs of all tenants, kept until these change."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._kept: OrderedDict[tuple[int, int], tuple[object, FiguresAsOf]] = OrderedDict()

    async def get(self, db: Connection, tenant_id: int, run_id: int) -> FiguresAsOf:
        """Return the figures as of a run that has succeeded, in the snapshot; 0.1 CPU-s for 100,000 suppliers anew."""
        await runs.fetch_readable(db, tenant_id, run_id)
        version = await db.fetchrow(QUERIES["version_of_figures"], tenant_id)
        kept = self._kept.get((tenant_id, run_id))
        if kept is None or kept[0] != version:
            kept = version, await self._make(db, tenant_id, run_id)
        self._keep((tenant_id, run_id), kept)
        return kept[1]

    async def _make(self, db: Connection, tenant_id: int, run_id: int) -> FiguresAsOf:
        totals = await db.fetch(QUERIES["all_totals"], tenant_id)
        changes = [row["columns"] for row in await db.fetch(QUERIES["pending_figure_changes"], tenant_id)]
        for row in await db.fetch(QUERIES["run_figures"], tenant_id, run_id):
            if row["figures"] is None:
                raise WrongState(
                    f"runs/{run_id} was made before runs kept the figures of suppliers: recalculate once more",
                    reason="RUN_WITHOUT_FIGURES",
                    metadata={"name": f"runs/{run_id}"},
                )
            changes.append(row["figures"])
        return await self._run(FiguresAsOf.of, [(row["totals"], row["spend"]) for row in totals], changes)

    def _keep(self, key: tuple[int, int], made: tuple[object, FiguresAsOf]) -> None:
        self._kept[key] = made
        self._kept.move_to_end(key)
        while len(self._kept) > 1 and sum(len(of.columns.supplier_id) for _, of in self._kept.values()) > MOST_KEPT:
            self._kept.popitem(last=False)


def _each(currencies: npt.NDArray[np.int64], is_chosen: Callable[[str], bool]) -> Mask:
    """Tell of each currency, by its number, whether it is chosen."""
    numbers, place = np.unique(currencies, return_inverse=True)
    return np.array([is_chosen(currency_code(number)) for number in numbers.tolist()], np.bool_)[place]


def _is_like(code: str, operator_: str, value: str | float | None) -> bool:
    """Tell what a filter's comparison with a text does: `*` is any text; `:` is anywhere, whatever the case."""
    if value is None:
        return code != ""
    pattern = ".*".join(map(re.escape, str(value).split("*")))
    if operator_ == ":":
        return re.search(pattern, code, re.IGNORECASE | re.DOTALL) is not None
    return (re.fullmatch(pattern, code, re.DOTALL) is not None) == (operator_ == "=")
