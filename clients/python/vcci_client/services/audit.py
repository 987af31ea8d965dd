"""AuditService."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from vcci.v1 import audit_service_pb2 as pb

from vcci_client.connection import Service
from vcci_client.resuming import resumed


class Audit(Service):
    """Who changed what, and who was refused."""

    async def list_audit_events(
        self, audit_filter: pb.AuditFilter | None = None, *, page_size: int = 0
    ) -> AsyncIterator[pb.AuditEvent]:
        """Yield events, newest first; a broken stream goes on where it stopped."""
        request = pb.ListAuditEventsRequest(filter=audit_filter, page_size=page_size)
        pages = resumed(self.connection, self.connection.audit.ListAuditEvents, request, _go_on)
        async with aclosing(pages):
            async for page in pages:
                for event in page.events:
                    yield event

    async def verify_audit_events(self, known_sequence: int = 0, known_hash: str = "") -> pb.VerifyAuditEventsResponse:
        """Have the whole chain read; with the number and the hash of an event that were noted earlier, that one too."""
        request = pb.VerifyAuditEventsRequest(known_sequence=known_sequence, known_hash=known_hash)
        return await self.connection.call(self.connection.audit.VerifyAuditEvents, request)


def _go_on(request: pb.ListAuditEventsRequest, page: pb.ListAuditEventsResponse) -> None:
    request.page_token = page.next_page_token
