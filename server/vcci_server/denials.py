"""Refused calls as audit events, and never more of them than a disk can take.

Calls refused alike (tenant, caller, RPC, reason) are one event with their number: the first within a second, what
follows once a minute. So a stranger who calls every RPC in every wrong way, as fast as it goes, makes a few events a
second. A server that is killed loses the counts of its last minute; it loses no event of a change.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from time import monotonic
from typing import NamedTuple, NoReturn

from vcci_engine.errors import Unavailable

from vcci_server.storage import audit
from vcci_server.storage.audit import Actor, Event
from vcci_server.storage.pool import Pool, transaction
from vcci_server.tasks import running

DELAY_S = 1.0
REST_S = 60.0
MOST_KINDS = 1_000  # in memory; beyond, calls are counted as one kind

logger = logging.getLogger(__name__)


class _Kind(NamedTuple):
    tenant_id: int
    subject: str
    roles: str
    action: str
    reason: str


OTHERS = _Kind(audit.NO_TENANT, "", "", "", "LIMIT_EXCEEDED")


class Denials:
    """The refused calls that are not written yet."""

    def __init__(self, pool: Pool, *, delay_s: float = DELAY_S, rest_s: float = REST_S) -> None:
        self._pool = pool
        self._delay_s = delay_s
        self._rest_s = rest_s
        self._waiting: dict[_Kind, Event] = {}
        self._written_s: dict[_Kind, float] = {}
        self._some = asyncio.Event()

    def add(self, tenant_id: int, by: Actor, reason: str) -> None:
        """Count a refused call."""
        kind = _Kind(tenant_id, by.subject, by.roles, by.action, reason)
        if kind not in self._waiting and len(self._waiting) >= MOST_KINDS:
            kind, by = OTHERS, Actor()
        event = self._waiting.get(kind) or Event("", by=by, reason=kind.reason, calls=0)
        self._waiting[kind] = replace(event, calls=event.calls + 1)
        self._some.set()

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Write them during the body, and what is left at its end."""
        try:
            async with running(self._run()):
                yield
        finally:
            await self._write(list(self._waiting))

    async def _run(self) -> NoReturn:
        while True:
            await self._some.wait()
            await asyncio.sleep(self._delay_s)
            await self._write(self._due())
            if not self._waiting:
                self._some.clear()

    def _due(self) -> list[_Kind]:
        now_s = monotonic()
        self._written_s = {kind: at_s for kind, at_s in self._written_s.items() if now_s - at_s < self._rest_s}
        return [kind for kind in self._waiting if kind not in self._written_s]

    async def _write(self, kinds: Iterable[_Kind]) -> None:
        by_tenant: dict[int, dict[_Kind, Event]] = {}
        for kind in kinds:
            by_tenant.setdefault(kind.tenant_id, {})[kind] = self._waiting.pop(kind)
        for tenant_id, events in by_tenant.items():
            try:
                async with transaction(self._pool) as db:
                    await audit.append(db, tenant_id, *events.values())
                self._written_s |= dict.fromkeys(events, monotonic())
            except Unavailable as error:
                logger.warning("refused calls are not in the audit log yet: %s", error.__cause__ or error)
                self._put_back(events)
            except asyncio.CancelledError:
                self._put_back(events)
                raise
            except Exception:
                logger.exception("refused calls cannot be written to the audit log")

    def _put_back(self, events: dict[_Kind, Event]) -> None:
        for kind, event in events.items():
            since = self._waiting.get(kind)
            self._waiting[kind] = replace(event, calls=event.calls + since.calls) if since else event
