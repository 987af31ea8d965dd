"""Every error that VCCI tells a caller of, as one tree.

VcciError
├── InvalidInput              the request is wrong: mend it
│   ├── InvalidField          one field: its name, value and what was expected
│   │   └── InvalidBatch      a batch as a whole; the stream goes on
│   └── InvalidFields         several fields at once
│       ├── InvalidFactorFile lines of a factor file
│       └── InvalidPriceFile  lines of a price file
├── NotFound                  no such resource
├── WrongState                right, but not now: FAILED_PRECONDITION
│   └── OffsetMismatch        carries the expected offset
├── WriterFenced              another writer took over: ABORTED
├── EtagMismatch              it was changed since it was read: ABORTED
├── Unauthenticated           who are you
├── PermissionDenied          you may not
├── Overloaded                try again after a delay: RESOURCE_EXHAUSTED
│   └── QuotaExceeded         of the tenant; without a delay, waiting does not help
├── TimeLimitExceeded         of vcci_cluster.errors: DEADLINE_EXCEEDED
├── AlteredInputs             of what is stored: DATA_LOSS
└── Unavailable               the database does not answer, or the server drains: try again

A class's docstring is its default message; `reason` is a name of ErrorReason in protos/vcci/v1/error.proto.
"""

from collections.abc import Sequence
from dataclasses import dataclass

MAX_VALUE_CHARACTERS = 128


def shown(value: object) -> str:
    """Return a value as callers are shown it."""
    return str(value)[:MAX_VALUE_CHARACTERS]


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One wrong field: where it is, the value found (`shown`), and what was expected."""

    field: str
    value: str
    expected: str
    reason: str


class VcciError(Exception):
    """A fault of the server."""

    reason = "INTERNAL"

    def __init__(self, message: str = "", *, reason: str = "", metadata: dict[str, str] | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())
        self.reason = reason or type(self).reason
        self.metadata = metadata or {}

    def __reduce__(self) -> tuple[object, ...]:
        """Travel from a worker as it is, whatever the class's own constructor takes."""
        return _rebuilt, (type(self), self.args, self.__dict__)


def _rebuilt(of: type[VcciError], args: tuple[object, ...], state: dict[str, object]) -> VcciError:
    error = of.__new__(of)
    error.args = args
    error.__dict__.update(state)
    return error


class InvalidInput(VcciError):
    """The request is not valid."""

    reason = "MALFORMED_VALUE"


class InvalidField(InvalidInput):
    """A field is not valid."""

    def __init__(self, field: str, value: object, expected: str, *, reason: str) -> None:
        self.problem = FieldProblem(field, shown(value), expected, reason)
        super().__init__(f"{field}: found {shown(value)!r}, expected {expected}", reason=reason)


class InvalidFields(InvalidInput):
    """Several fields are not valid."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        self.problems = tuple(problems)
        first = self.problems[0]
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        super().__init__(f"{first.field}: found {first.value!r}, expected {first.expected}{more}", reason=first.reason)


class InvalidBatch(InvalidField):
    """A batch is wrong as a whole."""


class InvalidFactorFile(InvalidFields):
    """The factor file cannot be read."""

    reason = "INVALID_FACTOR_FILE"


class InvalidPriceFile(InvalidFields):
    """The price file cannot be read."""

    reason = "INVALID_PRICE_FILE"


class NotFound(VcciError):
    """There is no such resource."""

    reason = "NOT_FOUND"


class WrongState(VcciError):
    """The resource is not in a state that allows this."""


class OffsetMismatch(WrongState):
    """The offset is not the next one."""

    reason = "OFFSET_MISMATCH"

    def __init__(self, offset: int, expected_offset: int) -> None:
        super().__init__(
            f"offset {offset} is not the next one, {expected_offset}",
            metadata={"offset": str(offset), "expected_offset": str(expected_offset)},
        )
        self.offset = offset
        self.expected_offset = expected_offset


class WriterFenced(VcciError):
    """Another writer has opened this upload since."""

    reason = "WRITER_FENCED"


class EtagMismatch(VcciError):
    """It was changed since it was read: read it again, and decide anew."""

    reason = "ETAG_MISMATCH"


class Unauthenticated(VcciError):
    """Send a bearer token in the metadata `authorization`."""

    reason = "UNAUTHENTICATED"


class PermissionDenied(VcciError):
    """None of the caller's roles allows this."""

    reason = "ROLE_REQUIRED"


class Overloaded(VcciError):
    """Too much is under way: try again after the given delay."""

    reason = "OVERLOADED"

    def __init__(self, message: str = "", *, retry_after_s: float | None = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class QuotaExceeded(Overloaded):
    """The tenant has used up a quota."""

    reason = "QUOTA_EXCEEDED"

    def __init__(
        self, message: str, *, tenant: str, quota: str, limit: int, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.metadata = {"tenant": tenant, "quota": quota, "limit": str(limit)}


class AlteredInputs(VcciError):
    """Stored emissions were altered beyond reading: somebody has written to the database."""

    reason = "INPUTS_ALTERED"


class Unavailable(VcciError):
    """The database does not answer: try again."""

    reason = "STORAGE_UNAVAILABLE"
