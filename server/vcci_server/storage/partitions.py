"""The partition keeper: every quarter has its partition of emission_segments before rows of it are stored.

Months of audit_events are made ahead too; appending an event makes one that is missing, and then waits for it.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from vcci_engine.dates import EPOCH

from vcci_server.storage.pool import Pool, transaction
from vcci_server.storage.queries import QUERIES

QUARTERS_BEHIND, QUARTERS_AHEAD = 8, 4
MONTHS_AHEAD = 3
LOCK = 0x7663_6369_0002  # advisory lock of whoever makes partitions


class PartitionKeeper:
    """Makes partitions in transactions of its own, and remembers those that exist."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._known: set[int] = set()

    async def ensure(self, quarters: Iterable[int]) -> list[date]:
        """Make the partitions that are missing, of quarters given as days since 1970-01-01; return those made."""
        unknown = sorted(set(quarters) - self._known)
        if not unknown:
            return []
        first_days = [EPOCH + timedelta(days=quarter) for quarter in unknown]
        async with transaction(self._pool) as db:
            await db.execute(QUERIES["lock_partitions"], LOCK)
            made = await db.fetch(QUERIES["ensure_partitions"], first_days)
        self._known.update(unknown)
        return [row["first_day"] for row in made]

    async def ensure_ahead(self) -> list[date]:
        """Make the partitions of the quarters around now, so that ingest seldom has to; return those made.

        Also those of the months of audit events.
        """
        today = datetime.now(UTC).date()
        await self._ensure_months(12 * today.year + today.month - 1)
        current = 4 * today.year + (today.month - 1) // 3
        around = range(current - QUARTERS_BEHIND, current + QUARTERS_AHEAD + 1)
        return await self.ensure((date(n // 4, 3 * (n % 4) + 1, 1) - EPOCH).days for n in around)

    async def _ensure_months(self, current: int) -> None:
        months = range(current, current + MONTHS_AHEAD + 1)
        moments = [datetime(n // 12, n % 12 + 1, 1, tzinfo=UTC) for n in months]
        async with transaction(self._pool) as db:
            await db.fetch(QUERIES["ensure_audit_partitions"], moments)
