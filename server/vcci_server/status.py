"""What a caller is told of an error: the gRPC status of its class, and google.rpc details."""

from collections.abc import Sequence

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from vcci_cluster import TimeLimitExceeded
from vcci_engine.errors import (
    AlteredInputs,
    EtagMismatch,
    FieldProblem,
    InvalidField,
    InvalidFields,
    InvalidInput,
    NotFound,
    Overloaded,
    PermissionDenied,
    QuotaExceeded,
    Unauthenticated,
    Unavailable,
    VcciError,
    WriterFenced,
    WrongState,
)

STATUS: dict[type[VcciError], grpc.StatusCode] = {
    InvalidInput: grpc.StatusCode.INVALID_ARGUMENT,
    NotFound: grpc.StatusCode.NOT_FOUND,
    WrongState: grpc.StatusCode.FAILED_PRECONDITION,
    WriterFenced: grpc.StatusCode.ABORTED,
    EtagMismatch: grpc.StatusCode.ABORTED,
    Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    TimeLimitExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
    AlteredInputs: grpc.StatusCode.DATA_LOSS,
    VcciError: grpc.StatusCode.INTERNAL,
}

DOMAIN = "vcci"
UNAVAILABLE_RETRY_S = 1.0
# gRPC takes 8 KiB of metadata. The message is percent-encoded there (times 3), the details are in base64 (times 4/3).
MAX_MESSAGE_BYTES = 512
MAX_DETAILS_BYTES = 3_072


def code_of(error: VcciError) -> grpc.StatusCode:
    """Return the status of the nearest class in the table."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def message_of(error: VcciError) -> str:
    """Return the error's message, cut to what a header can carry."""
    return _cut(str(error), MAX_MESSAGE_BYTES)


def details_of(error: VcciError) -> bytes:
    """Return the error as a serialized google.rpc.Status, with as many field violations as a header can carry."""
    problems = _problems(error)
    shown = len(problems)
    while True:
        status = _status(error, problems, shown).SerializeToString()
        if len(status) <= MAX_DETAILS_BYTES or not shown:
            return status
        shown //= 2


def _status(error: VcciError, problems: Sequence[FieldProblem], shown: int) -> status_pb2.Status:
    metadata = {_cut(key, 64): _cut(value, 256) for key, value in error.metadata.items()}
    if len(problems) == 1:
        metadata |= {"field": problems[0].field, "value": problems[0].value, "expected": problems[0].expected}
    if shown < len(problems):
        metadata["problems"] = str(len(problems))
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata)]
    if shown:
        details.append(_bad_request(problems[:shown]))
    if isinstance(error, NotFound):
        details.append(error_details_pb2.ResourceInfo(resource_name=metadata.get("name", "")))
    if isinstance(error, QuotaExceeded):
        details.append(_quota_failure(error))
    delay_s = _retry_after_s(error)
    if delay_s is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromNanoseconds(int(delay_s * 1e9))
        details.append(retry)
    return status_pb2.Status(code=code_of(error).value[0], message=message_of(error), details=map(_any, details))


def _retry_after_s(error: VcciError) -> float | None:
    if isinstance(error, Overloaded):
        return error.retry_after_s
    return UNAVAILABLE_RETRY_S if isinstance(error, Unavailable) else None


def _quota_failure(error: QuotaExceeded) -> error_details_pb2.QuotaFailure:
    violation = error_details_pb2.QuotaFailure.Violation(
        subject=f"tenants/{_cut(error.metadata['tenant'], 256)}",
        description=message_of(error),
        api_service=DOMAIN,
        quota_id=error.metadata["quota"],
        quota_value=int(error.metadata["limit"]),
    )
    return error_details_pb2.QuotaFailure(violations=[violation])


def _problems(error: VcciError) -> Sequence[FieldProblem]:
    if isinstance(error, InvalidFields):
        return error.problems
    return (error.problem,) if isinstance(error, InvalidField) else ()


def _bad_request(problems: Sequence[FieldProblem]) -> error_details_pb2.BadRequest:
    return error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(
                field=problem.field,
                description=f"found {problem.value!r}, expected {problem.expected}",
                reason=problem.reason,
            )
            for problem in problems
        ]
    )


def _any(message: Message) -> Any:
    packed = Any()
    packed.Pack(message)
    return packed


def _cut(text: str, limit: int) -> str:
    return text if len(text) * 4 <= limit else text.encode()[:limit].decode(errors="ignore")
