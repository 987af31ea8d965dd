"""Which factor set of a tenant is active, and the record of who made it so, which is only ever added to."""

from dataclasses import dataclass
from datetime import datetime

from vcci_engine.errors import NotFound, WrongState

from vcci_server.storage import audit
from vcci_server.storage.audit import Event
from vcci_server.storage.pool import Connection, Pool, connection
from vcci_server.storage.queries import QUERIES

LAST = 2**63 - 1  # an id above all others


@dataclass(frozen=True, slots=True)
class Activation:
    """One change of the active set."""

    activation_id: int
    factor_set_id: int
    previous_set_id: int | None
    subject: str
    request_id: str
    activated_at: datetime


async def activate(db: Connection, tenant_id: int, set_id: int, *, instead_of: int | None = None) -> list[Event]:
    """Make a set the active one, record it, and tell who listens, when the transaction commits; return what to audit.

    With `instead_of`, raise WrongState unless that set is active, or the wanted one already.
    """
    by = audit.actor()
    await db.execute(QUERIES["lock_activations"], tenant_id)
    active = await db.fetchval(QUERIES["select_active_set"], tenant_id)
    if active == set_id:
        return []
    if instead_of is not None and active != instead_of:
        raise _stale(instead_of, active)
    if await db.fetchrow(QUERIES["activate_factor_set"], tenant_id, set_id) is None:
        raise no_set(set_id)
    await db.execute(QUERIES["insert_activation"], tenant_id, set_id, active, by.subject, by.request_id)
    before = None if active is None else f"factorSets/{active}"
    return [Event(f"factorSets/{set_id}", {"active_factor_set": before}, {"active_factor_set": f"factorSets/{set_id}"})]


async def list_activations(pool: Pool, tenant_id: int, *, limit: int, before: int = LAST) -> list[Activation]:
    """Return up to `limit` activations with ids below `before`, newest first."""
    async with connection(pool) as db:
        rows = await db.fetch(QUERIES["list_activations"], tenant_id, before, limit)
    return [Activation(**{name: row[name] for name in Activation.__slots__}) for row in rows]


def no_set(set_id: int) -> NotFound:
    """Return the error that there is no such set."""
    return NotFound("There is no such factor set.", metadata={"name": f"factorSets/{set_id}"})


def _stale(expected: int, active: int | None) -> WrongState:
    found = f"factorSets/{active}" if active else "none"
    return WrongState(
        f"factorSets/{expected} is not the active set any more, but {found}: look what changed, and change that one",
        reason="STALE_FACTOR_SET",
        metadata={"active_factor_set": found, "factor_set": f"factorSets/{expected}"},
    )
