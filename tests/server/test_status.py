"""What callers are told of each class of error, and that every reason is one of the contract."""

import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import grpc
import pytest
import vcci_cluster
import vcci_engine
import vcci_server
from google.rpc import error_details_pb2, status_pb2
from vcci.v1.error_pb2 import ErrorReason
from vcci_cluster import TimeLimitExceeded
from vcci_engine import errors
from vcci_server.status import code_of, details_of, message_of

REASONS = {name.removeprefix("ERROR_REASON_") for name in ErrorReason.keys()}  # noqa: SIM118  not a dict
PACKAGES = (vcci_engine, vcci_cluster, vcci_server)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidField("unit", "x", "a unit", reason="UNKNOWN_UNIT"), grpc.StatusCode.INVALID_ARGUMENT),
        (errors.NotFound(), grpc.StatusCode.NOT_FOUND),
        (errors.OffsetMismatch(5, 3), grpc.StatusCode.FAILED_PRECONDITION),
        (errors.WriterFenced(), grpc.StatusCode.ABORTED),
        (errors.EtagMismatch(metadata={"etag": "0"}), grpc.StatusCode.ABORTED),
        (errors.Unauthenticated(), grpc.StatusCode.UNAUTHENTICATED),
        (errors.Overloaded(), grpc.StatusCode.RESOURCE_EXHAUSTED),
        (TimeLimitExceeded(), grpc.StatusCode.DEADLINE_EXCEEDED),
        (errors.Unavailable(), grpc.StatusCode.UNAVAILABLE),
        (errors.VcciError(), grpc.StatusCode.INTERNAL),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_has_the_status_of_its_class(error: errors.VcciError, code: grpc.StatusCode) -> None:
    status = status_pb2.Status.FromString(details_of(error))
    info = error_details_pb2.ErrorInfo()
    status.details[0].Unpack(info)
    assert (code_of(error), status.code) == (code, code.value[0])
    assert (info.domain, info.reason) == ("vcci", error.reason)
    assert status.message == message_of(error) == str(error)


def test_the_reason_of_every_class_is_in_the_contract() -> None:
    for package in PACKAGES:
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                import_module(module.name)
    classes: set[type[errors.VcciError]] = {errors.VcciError, *_below(errors.VcciError)}
    assert TimeLimitExceeded in classes
    assert not {kind for kind in classes if kind.reason not in REASONS}


def test_every_reason_in_the_code_is_in_the_contract() -> None:
    found = {reason for package in PACKAGES for reason in _reasons(Path(package.__path__[0]))}
    assert {"UPLOAD_NOT_OPEN", "LIMIT_EXCEEDED", "INVALID_FACTOR_FILE"} <= found
    assert not found - REASONS


def _below(kind: type[errors.VcciError]) -> Iterator[type[errors.VcciError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)


def _reasons(folder: Path) -> Iterator[str]:
    """Yield the texts in capitals in lines that speak of reasons."""
    for path in folder.rglob("*.py"):
        for line in path.read_text().splitlines():
            if re.search(r"reason|REASON|\.add\(", line):
                yield from re.findall(r'"([A-Z_]{5,})"', line)
