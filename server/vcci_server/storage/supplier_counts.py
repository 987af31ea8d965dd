"""How many suppliers tenants have: counted once, and from then on only those made since."""

from dataclasses import dataclass
from datetime import datetime

from vcci_server.storage.pool import Connection, Pool, connection
from vcci_server.storage.queries import QUERIES

MOST_NEW = 5_000  # suppliers: when there are more, they are counted anew


@dataclass(frozen=True, slots=True)
class Counted:
    """The suppliers made before a moment, at which every transaction begun before it had ended."""

    at: datetime
    count: int


class SupplierCounts:
    """The counts of all tenants; suppliers are never removed."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._kept: dict[int, Counted] = {}

    async def counted(self, tenant_id: int) -> Counted:
        """Return the suppliers that every snapshot that begins from now on sees."""
        if (kept := self._kept.get(tenant_id)) is None:
            async with connection(self._pool) as db:
                at = await db.fetchval(QUERIES["moment"])  # by a statement of its own: before the snapshot of the next
                kept = Counted(at, await db.fetchval(QUERIES["count_suppliers_before"], tenant_id, at))
            self._kept[tenant_id] = kept
        return kept

    async def total(self, db: Connection, tenant_id: int, counted: Counted) -> int:
        """Return how many there are in a snapshot that has begun since."""
        new: int = await db.fetchval(QUERIES["count_suppliers_since"], tenant_id, counted.at)
        if new > MOST_NEW:
            self._kept.pop(tenant_id, None)
        return counted.count + new
