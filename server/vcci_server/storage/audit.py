"""Audit events: what was changed and who was refused, in a chain per tenant that is only ever added to.

A change and its events commit together. Appending locks the tenant's chain until the transaction ends, so a
transaction does it last: others of the tenant wait for one statement and the commit, and there is no circle of waiting.
"""

import json
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import asyncpg

from vcci_server.storage.pool import Connection, Pool, connection
from vcci_server.storage.queries import QUERIES

NO_TENANT = 0  # whose chain has the calls of nobody who is known
LAST = 2**63 - 1  # a sequence above all others
EARLIEST, LATEST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)

Facts = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, in which call."""

    subject: str = ""  # empty: the service by itself
    roles: str = ""  # sorted, with blanks between
    request_id: str = ""
    action: str = ""  # the call, `UploadService.CreateUpload`; of the service by itself what it does


_actor: ContextVar[Callable[[], Actor]] = ContextVar("actor")  # a function, since few calls change anything


def _the_service() -> Actor:
    return Actor(action="Service")


def actor() -> Actor:
    """Return who does what is done now."""
    return _actor.get(_the_service)()


def set_actor(who: Callable[[], Actor]) -> None:
    """Say who does what the current call does, by a function; every call has a context of its own."""
    _actor.set(who)


@contextmanager
def by_itself(action: str) -> Iterator[None]:
    """What is done in the body, the service does by itself."""
    before = _actor.set(partial(Actor, action=action))
    try:
        yield
    finally:
        _actor.reset(before)


@dataclass(frozen=True, slots=True)
class Event:
    """A change of one resource, or calls that were refused; None: there was nothing before, there is nothing after."""

    resource: str
    before: Facts | None = None
    after: Facts | None = None
    by: Actor = field(default_factory=actor)
    reason: str = ""  # of a refusal
    calls: int = 1


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as it is stored."""

    sequence: int
    at: datetime
    subject: str
    roles: str
    request_id: str
    action: str
    resource: str
    reason: str
    calls: int
    before: str | None  # JSON
    after: str | None
    hash: bytes


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which events; empty or None does not restrict."""

    start: datetime | None = None
    end: datetime | None = None  # exclusive
    subject: str = ""
    action: str = ""  # a call, or all of a service
    resource: str = ""  # with all below it
    denied: bool | None = None


ALL = AuditFilter()


def changes(resource: str, before: Facts, after: Facts) -> list[Event]:
    """Return the event of a change, with the facts that are different; none when all are the same."""
    different = [name for name in after if before.get(name) != after[name]]
    if not different:
        return []
    return [Event(resource, {name: before.get(name) for name in different}, {name: after[name] for name in different})]


async def append(db: Connection, tenant_id: int, *events: Event) -> None:
    """Add events to a tenant's chain; the last that a transaction does."""
    if not events:
        return
    columns = [
        [event.by.subject for event in events],
        [event.by.roles for event in events],
        [event.by.request_id for event in events],
        [event.by.action for event in events],
        [event.resource for event in events],
        [event.reason for event in events],
    ]
    await db.execute(
        QUERIES["append_audit_events"],
        tenant_id,
        *([text.replace("\0", "\N{REPLACEMENT CHARACTER}") for text in column] for column in columns),
        [event.calls for event in events],
        [_json(event.before) for event in events],
        [_json(event.after) for event in events],
    )


async def read_page(
    pool: Pool, tenant_id: int, *, limit: int, before: int = LAST, wanted: AuditFilter = ALL
) -> list[StoredEvent]:
    """Return up to `limit` of the wanted events with numbers below `before`, newest first."""
    asked = (wanted.start or EARLIEST, wanted.end or LATEST, wanted.subject, wanted.action, wanted.resource)
    async with connection(pool) as db:
        rows = await db.fetch(QUERIES["list_audit_events"], tenant_id, before, *asked, wanted.denied, limit)
    return [_stored(row) for row in rows]


async def head(pool: Pool, tenant_id: int) -> tuple[int, bytes]:
    """Return the number and the hash of the last event; 0 and nothing when there is none."""
    async with connection(pool) as db:
        row = await db.fetchrow(QUERIES["select_audit_head"], tenant_id)
    return (row["sequence"], row["hash"]) if row else (0, b"")


async def read_chain(pool: Pool, tenant_id: int, until: int, *, at_once: int) -> AsyncGenerator[list[StoredEvent]]:
    """Yield a tenant's events up to a number, some at a time, oldest first."""
    after = 0
    while after < until:
        async with connection(pool) as db:
            rows = await db.fetch(QUERIES["audit_chain"], tenant_id, after, until, at_once)
        if not rows:
            return
        yield [_stored(row) for row in rows]
        after = rows[-1]["sequence"]


async def tenants(pool: Pool) -> list[int]:
    """Return the tenants that have a chain; NO_TENANT is among them once a stranger was refused."""
    async with connection(pool) as db:
        return [row["tenant_id"] for row in await db.fetch(QUERIES["audited_tenants"])]


def _stored(row: asyncpg.Record) -> StoredEvent:
    return StoredEvent(**{name: row[name] for name in StoredEvent.__slots__})


def _json(facts: Facts | None) -> str | None:
    return None if facts is None else json.dumps(facts, ensure_ascii=False, default=str)
