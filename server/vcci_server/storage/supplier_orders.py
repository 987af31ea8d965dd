"""The suppliers in the order of their emissions and of their carbon intensity, kept in the process until these change.

An index of the table could not be updated in place: every figure that changes would be written three times.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from vcci_engine.activities import FloatArray

from vcci_server.storage.pool import Connection
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.summing import Run

MOST_KEPT = 4_000_000  # suppliers of all tenants; 24 bytes each

Ids = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Order:
    """The suppliers that have a figure, ascending by it and by their ids."""

    keys: FloatArray
    ids: Ids

    def all(self, *, descending: bool) -> Ids:
        """Return the suppliers in this order."""
        return self.ids[::-1] if descending else self.ids

    def behind(self, key: float, supplier_id: int, *, descending: bool) -> Ids:
        """Return those behind a place, which need not be that of a supplier."""
        first, last = np.searchsorted(self.keys, key), np.searchsorted(self.keys, key, side="right")
        side = "left" if descending else "right"
        place = first + np.searchsorted(self.ids[first:last], supplier_id, side=side)  # type: ignore[call-overload]
        return self.ids[:place][::-1] if descending else self.ids[place:]


Orders = Mapping[str, Order]  # by the figure


class SupplierOrders:
    """The orders of all tenants."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._kept: OrderedDict[int, tuple[int, Orders]] = OrderedDict()

    async def get(self, db: Connection, tenant_id: int) -> Orders:
        """Return the orders as of the snapshot; 0.1 s for 100,000 suppliers after a change."""
        version: int = await db.fetchval(QUERIES["count_of_figures"], tenant_id) or 0
        kept = self._kept.get(tenant_id)
        if kept is None or kept[0] != version:
            columns = await db.fetchrow(QUERIES["figures_to_order"], tenant_id)
            assert columns is not None  # an aggregate
            kept = version, await self._run(orders_of, *columns)
        self._keep(tenant_id, kept)
        return kept[1]

    def _keep(self, tenant_id: int, made: tuple[int, Orders]) -> None:
        self._kept[tenant_id] = made
        self._kept.move_to_end(tenant_id)
        while len(self._kept) > 1 and sum(len(orders["kg_co2e"].ids) for _, orders in self._kept.values()) > MOST_KEPT:
            self._kept.popitem(last=False)


def orders_of(ids: bytes | None, kg_co2e: bytes | None, carbon_intensity: bytes | None) -> Orders:
    """Return the orders of columns in PostgreSQL's binary form, by supplier; NaN: it has none."""
    suppliers = np.frombuffer(ids or b"", ">i4").astype(np.int32)
    columns = {"kg_co2e": kg_co2e, "carbon_intensity": carbon_intensity}
    return {
        name: order_of(suppliers, np.frombuffer(data or b"", ">f8").astype("<f8")) for name, data in columns.items()
    }


def order_of(suppliers: Ids, keys: FloatArray) -> Order:
    """Return the order by a figure; NaN: a supplier has none."""
    known = ~np.isnan(keys)
    suppliers, keys = suppliers[known], keys[known]
    order = np.lexsort((suppliers, keys))
    return Order(keys[order], suppliers[order])
