"""Whether a tenant's audit events are as they were written: numbers without gaps, and each hash that of its event."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Literal

from vcci_server.storage import audit
from vcci_server.storage.audit import StoredEvent
from vcci_server.storage.pool import Pool

AT_ONCE = 2_000  # events in memory
MOST_FAULTS = 100
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Kind = Literal["missing", "altered", "not_as_known"]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong at an event; `missing` counts those that are not there, from this number on."""

    sequence: int
    kind: Kind
    missing: int = 0


@dataclass(slots=True)
class Verdict:
    """What was read of a chain, and the first faults."""

    last_sequence: int
    last_hash: bytes
    events: int = 0
    faults: list[Fault] = field(default_factory=list)


def hash_of(tenant_id: int, event: StoredEvent, link: bytes) -> bytes:
    """Return the SHA-256 of the hash before it and of the event's fields, each with its length in bytes in front."""
    microseconds = (event.at - EPOCH) // timedelta(microseconds=1)
    fields = (
        *(str(tenant_id), str(event.sequence), str(microseconds)),
        *(event.subject, event.roles, event.request_id, event.action, event.resource, event.reason),
        *(str(event.calls), event.before or "", event.after or ""),
    )
    digest = sha256(link)
    for text in fields:
        data = text.encode()
        digest.update(b"%d:%b" % (len(data), data))
    return digest.digest()


async def verify(pool: Pool, tenant_id: int, known: tuple[int, bytes] | None = None) -> Verdict:
    """Read a chain up to its end as it is now; `known` is the number and the hash of an event, noted earlier."""
    verdict = Verdict(*await audit.head(pool, tenant_id))
    place = (0, b"")
    async for events in audit.read_chain(pool, tenant_id, verdict.last_sequence, at_once=AT_ONCE):
        verdict.events += len(events)
        verdict.faults += await asyncio.to_thread(lambda of, at: list(_faults(tenant_id, of, at, known)), events, place)
        place = (events[-1].sequence, events[-1].hash)
    if place[0] < verdict.last_sequence:
        verdict.faults.append(Fault(place[0] + 1, "missing", verdict.last_sequence - place[0]))
    elif place[1] != verdict.last_hash:
        verdict.faults.append(Fault(place[0], "altered"))
    if known is not None and known[0] > verdict.last_sequence:
        verdict.faults.append(Fault(verdict.last_sequence + 1, "missing", known[0] - verdict.last_sequence))
    del verdict.faults[MOST_FAULTS:]
    return verdict


def _faults(
    tenant_id: int, events: Sequence[StoredEvent], place: tuple[int, bytes], known: tuple[int, bytes] | None
) -> Iterator[Fault]:
    """Yield what is wrong with events that follow the one at `place`. Behind a gap the first cannot be checked."""
    number, link = place
    for event in events:
        if gap := event.sequence - number - 1:
            yield Fault(number + 1, "missing", gap)
        elif event.hash != hash_of(tenant_id, event, link):
            yield Fault(event.sequence, "altered")
        if known is not None and event.sequence == known[0] and event.hash != known[1]:
            yield Fault(event.sequence, "not_as_known")
        number, link = event.sequence, event.hash
