"""What is different between two factor sets."""

from dataclasses import dataclass, fields

from vcci_engine.units import conversion, parse

from vcci_server.importers import FactorRecord
from vcci_server.storage.factor_changes import select
from vcci_server.storage.factors import FIRST, StoredFactor
from vcci_server.storage.pool import Pool, connection
from vcci_server.storage.queries import QUERIES


@dataclass(frozen=True, slots=True)
class Difference:
    """A factor as two sets have it; None: the set does not have it."""

    old: StoredFactor | None
    new: StoredFactor | None

    @property
    def key(self) -> tuple[str, str, str, int]:
        """Its place in the order of factors."""
        one = self.old or self.new
        assert one is not None
        return one.key

    @property
    def changed_fields(self) -> list[str]:
        """The fields that are different, by their names in FactorRecord, when both sets have it."""
        if self.old is None or self.new is None:
            return []
        old, new = self.old.record, self.new.record
        names = (field.name for field in fields(FactorRecord))
        return [name for name in names if getattr(old, name) != getattr(new, name)]

    @property
    def relative_change(self) -> float | None:
        """kg CO2e per unit of the new one against the old one, per the same unit; None where that says nothing."""
        if self.old is None or self.new is None or not self.old.record.kg_co2e:
            return None
        old, new = self.old.record, self.new.record
        per_unit = _conversion(old.unit, new.unit)
        return None if per_unit is None else (new.kg_co2e * per_unit - old.kg_co2e) / abs(old.kg_co2e)


async def list_differences(
    pool: Pool, tenant_id: int, old_id: int, new_id: int, *, limit: int, after: tuple[int | str, ...] = FIRST
) -> list[Difference]:
    """Return up to `limit` differences behind `after`, by source, code, region and year."""
    async with connection(pool) as db:
        rows = await db.fetch(QUERIES["diff_factor_sets"], tenant_id, old_id, new_id, *after, limit)
    old = await select(pool, tenant_id, old_id, [row["old_id"] for row in rows if row["old_id"] is not None])
    new = await select(pool, tenant_id, new_id, [row["new_id"] for row in rows if row["new_id"] is not None])
    return [Difference(old.get(row["old_id"]), new.get(row["new_id"])) for row in rows]


def _conversion(unit: str, to: str) -> float | None:
    """Return how many of `to` one of `unit` is; None when they measure different things."""
    parsed, other = parse(unit), parse(to)
    if unit == to:
        return 1.0
    return conversion(parsed, other) if parsed and other else None
