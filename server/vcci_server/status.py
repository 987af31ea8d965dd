"""Which gRPC status each class of error has."""

import grpc
from vcci_engine.errors import (
    InvalidInput,
    NotFound,
    Overloaded,
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
    Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
    VcciError: grpc.StatusCode.INTERNAL,
}


def status_of(error: VcciError) -> grpc.StatusCode:
    """Return the status of the nearest class in the table."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
