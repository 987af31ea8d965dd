"""AuditService."""

from collections.abc import AsyncIterator

import grpc.aio
from vcci.v1 import audit_service_pb2 as pb

from vcci_client.connection import Pauses, Service

PATIENCE_S = 60.0


class Audit(Service):
    """Who changed what, and who was refused."""

    async def list_audit_events(
        self, audit_filter: pb.AuditFilter | None = None, *, page_size: int = 0
    ) -> AsyncIterator[pb.AuditEvent]:
        """Yield events, newest first; a broken stream goes on where it stopped."""
        request = pb.ListAuditEventsRequest(filter=audit_filter, page_size=page_size)
        pauses = Pauses(PATIENCE_S)
        ended = False
        while not ended:
            call = self.connection.audit.ListAuditEvents(request, metadata=self.connection.metadata)
            try:
                async for response in call:
                    request.page_token = response.next_page_token
                    pauses.progress()
                    for event in response.events:
                        yield event
                ended = True
            except grpc.aio.AioRpcError as rpc_error:
                error = self.connection.error(rpc_error)
                if not self.connection.is_passing(error):
                    raise error from None
                await pauses.wait(error)
            finally:
                call.cancel()

    async def verify_audit_events(self, known_sequence: int = 0, known_hash: str = "") -> pb.VerifyAuditEventsResponse:
        """Have the whole chain read; with the number and the hash of an event that were noted earlier, that one too."""
        request = pb.VerifyAuditEventsRequest(known_sequence=known_sequence, known_hash=known_hash)
        return await self.connection.call(self.connection.audit.VerifyAuditEvents, request)
