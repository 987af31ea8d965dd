"""How a call failed, and the details that came with its status."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2


@dataclass(frozen=True, slots=True)
class Failure:
    """A status, and what its details say."""

    code: grpc.StatusCode
    reason: str
    violations: Sequence[error_details_pb2.BadRequest.FieldViolation]

    @property
    def fields(self) -> list[tuple[str, str]]:
        """The wrong fields, each with its reason."""
        return [(violation.field, violation.reason) for violation in self.violations]


def failure_of(error: grpc.aio.AioRpcError) -> Failure:
    """Unpack an error."""
    metadata: Any = error.trailing_metadata()
    status = status_pb2.Status.FromString(dict(metadata)["grpc-status-details-bin"])
    info, request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(request)
    return Failure(error.code(), info.reason, request.field_violations)


async def failure(call: Awaitable[object]) -> Failure:
    """Make a call that must fail, and tell how it did."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return failure_of(raised.value)
