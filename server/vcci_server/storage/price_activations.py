"""Which price set of a tenant is active, if any, and the record of who made it so, which is only ever added to."""

from dataclasses import dataclass
from datetime import datetime

from vcci_engine.errors import NotFound

from vcci_server.storage import audit
from vcci_server.storage.activations import LAST
from vcci_server.storage.audit import Event
from vcci_server.storage.pool import Connection, Pool, connection
from vcci_server.storage.queries import QUERIES


@dataclass(frozen=True, slots=True)
class PriceActivation:
    """One change of the active set."""

    activation_id: int
    price_set_id: int | None  # None: none is active any more
    previous_set_id: int | None
    subject: str
    request_id: str
    activated_at: datetime


async def activate(db: Connection, tenant_id: int, set_id: int) -> list[Event]:
    """Make a set the active one, record it, and tell who listens, when the transaction commits; return the events."""
    active = await _active(db, tenant_id)
    if active == set_id:
        return []
    if await db.fetchrow(QUERIES["activate_price_set"], tenant_id, set_id) is None:
        raise no_set(set_id)
    return await _record(db, tenant_id, set_id, active, f"priceSets/{set_id}")


async def deactivate(db: Connection, tenant_id: int, set_id: int) -> list[Event]:
    """Leave no set active, if this one is, record it, and tell who listens, as `activate` does."""
    if await _active(db, tenant_id) != set_id:
        return []
    await db.execute(QUERIES["deactivate_price_set"], tenant_id, set_id)
    return await _record(db, tenant_id, None, set_id, f"priceSets/{set_id}")


async def list_activations(pool: Pool, tenant_id: int, *, limit: int, before: int = LAST) -> list[PriceActivation]:
    """Return up to `limit` activations with ids below `before`, newest first."""
    async with connection(pool) as db:
        rows = await db.fetch(QUERIES["list_price_activations"], tenant_id, before, limit)
    return [PriceActivation(**{name: row[name] for name in PriceActivation.__slots__}) for row in rows]


def no_set(set_id: int) -> NotFound:
    """Return the error that there is no such set."""
    return NotFound("There is no such price set.", metadata={"name": f"priceSets/{set_id}"})


async def _active(db: Connection, tenant_id: int) -> int | None:
    """Return the active set; no other is activated until the transaction ends."""
    await db.execute(QUERIES["lock_activations"], tenant_id)
    active: int | None = await db.fetchval(QUERIES["select_active_price_set"], tenant_id)
    return active


async def _record(
    db: Connection, tenant_id: int, set_id: int | None, previous: int | None, changed: str
) -> list[Event]:
    by = audit.actor()
    await db.execute(QUERIES["insert_price_activation"], tenant_id, set_id, previous, by.subject, by.request_id)
    old, new = (None if active is None else f"priceSets/{active}" for active in (previous, set_id))
    return [Event(changed, {"active_price_set": old}, {"active_price_set": new})]
