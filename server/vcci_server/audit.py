"""AuditService: who changed what, and who was refused."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from vcci.v1 import audit_service_pb2 as pb
from vcci.v1 import audit_service_pb2_grpc
from vcci_engine.errors import InvalidField

from vcci_server.auth import caller
from vcci_server.storage import audit, audit_chain
from vcci_server.storage.audit import AuditFilter, StoredEvent
from vcci_server.storage.audit_chain import Fault, Kind
from vcci_server.storage.pool import Pool
from vcci_server.tokens import read_token, write_token
from vcci_server.validation import MAX_NAME_BYTES, Problems, page_size

OUTCOMES = {pb.AUDIT_OUTCOME_UNSPECIFIED: None, pb.AUDIT_OUTCOME_CHANGED: False, pb.AUDIT_OUTCOME_DENIED: True}
KINDS: dict[Kind, pb.AuditFault.Kind.ValueType] = {
    "missing": pb.AuditFault.KIND_MISSING,
    "altered": pb.AuditFault.KIND_ALTERED,
    "not_as_known": pb.AuditFault.KIND_NOT_AS_KNOWN,
}
SHA256_BYTES = 32


class AuditServicer(audit_service_pb2_grpc.AuditServiceServicer):
    """Events of the caller's tenant."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def ListAuditEvents(
        self, request: pb.ListAuditEventsRequest, context: object
    ) -> AsyncIterator[pb.ListAuditEventsResponse]:
        """Stream events, newest first; no connection is held between two responses."""
        tenant_id, size = caller().tenant_id, page_size(request.page_size, 500, 5_000)
        wanted, scope = _filter_of(request.filter), f"auditEvents {request.filter.SerializeToString().hex()}"
        before = read_token(request.page_token, scope, tenant_id, default=audit.LAST)
        while True:
            found = await audit.read_page(self._pool, tenant_id, limit=size + 1, before=before, wanted=wanted)
            page, more = found[:size], len(found) > size
            before = page[-1].sequence if page else 0
            token = write_token(scope, tenant_id, before) if more else ""
            yield pb.ListAuditEventsResponse(events=map(_event_message, page), next_page_token=token)
            if not more:
                return

    async def VerifyAuditEvents(
        self, request: pb.VerifyAuditEventsRequest, context: object
    ) -> pb.VerifyAuditEventsResponse:
        """Read the whole chain and say where it is not as it was written."""
        verdict = await audit_chain.verify(self._pool, caller().tenant_id, _known(request))
        return pb.VerifyAuditEventsResponse(
            intact=not verdict.faults,
            event_count=verdict.events,
            last_sequence=verdict.last_sequence,
            last_hash=verdict.last_hash.hex(),
            faults=map(_fault_message, verdict.faults),
        )


def _filter_of(asked: pb.AuditFilter) -> AuditFilter:
    """Return the filter, or raise InvalidFields."""
    problems = Problems()
    for name in ("subject", "action", "resource"):
        problems.text(f"filter.{name}", getattr(asked, name), MAX_NAME_BYTES)
    if asked.outcome not in OUTCOMES:
        problems.add("filter.outcome", asked.outcome, "an AuditOutcome", "OUT_OF_RANGE")
    start, end = (_moment(asked, name, problems) for name in ("start_time", "end_time"))
    problems.check()
    return AuditFilter(start, end, asked.subject, asked.action, asked.resource, OUTCOMES[asked.outcome])


def _moment(asked: pb.AuditFilter, name: str, problems: Problems) -> datetime | None:
    if not asked.HasField(name):  # type: ignore[arg-type]  # one of the two
        return None
    given: Timestamp = getattr(asked, name)
    try:
        moment = given.ToDatetime(UTC)
    except (ValueError, OverflowError):
        moment = datetime.max.replace(tzinfo=UTC)
    if not audit.EARLIEST <= moment <= audit.LATEST:
        problems.add(f"filter.{name}", given.seconds, "a time of the years 1 to 9999", "OUT_OF_RANGE")
        return None
    return moment


def _known(request: pb.VerifyAuditEventsRequest) -> tuple[int, bytes] | None:
    """Return the number and the hash that were noted, or raise InvalidField."""
    if not request.known_sequence and not request.known_hash:
        return None
    if request.known_sequence <= 0:
        raise InvalidField("known_sequence", request.known_sequence, "the number of an event", reason="OUT_OF_RANGE")
    try:
        known = bytes.fromhex(request.known_hash)
    except ValueError:
        known = b""
    if len(known) != SHA256_BYTES:
        expected = f"{2 * SHA256_BYTES} hexadecimal digits"
        raise InvalidField("known_hash", request.known_hash, expected, reason="MALFORMED_VALUE")
    return request.known_sequence, known


def _event_message(event: StoredEvent) -> pb.AuditEvent:
    created = Timestamp()
    created.FromDatetime(event.at)
    return pb.AuditEvent(
        sequence=event.sequence,
        create_time=created,
        subject=event.subject,
        roles=event.roles.split(),
        request_id=event.request_id,
        action=event.action,
        resource=event.resource,
        outcome=pb.AUDIT_OUTCOME_DENIED if event.reason else pb.AUDIT_OUTCOME_CHANGED,
        reason=event.reason,
        call_count=event.calls,
        before=event.before or "",
        after=event.after or "",
        hash=event.hash.hex(),
    )


def _fault_message(fault: Fault) -> pb.AuditFault:
    return pb.AuditFault(sequence=fault.sequence, kind=KINDS[fault.kind], missing_count=fault.missing)
