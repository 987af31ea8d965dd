"""Opaque page tokens: where a list goes on, bound to the list and the tenant.

A token is a place in a sorted list, not a permission: every read is bound to the caller's own tenant besides.
"""

import base64
import json
from typing import TypeVar

from vcci_engine.errors import InvalidField

VERSION = 1
INT64_MAX = (1 << 63) - 1

Scalar = int | str
K = TypeVar("K", int, str, tuple[Scalar, ...])


def write_token(scope: str, tenant_id: int, key: Scalar | tuple[Scalar, ...]) -> str:
    """Return the token of the page that follows `key` in the list `scope`."""
    text = json.dumps([VERSION, scope, tenant_id, key], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_token(token: str, scope: str, tenant_id: int, *, default: K, field: str = "page_token") -> K:
    """Return the key that a token holds, or the default for an empty one; the key has the default's type."""
    if not token:
        return default
    try:
        version, *bound, key = json.loads(base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True))
    except (ValueError, TypeError, RecursionError) as error:
        raise _invalid(field, token) from error
    if isinstance(key, list):
        key = tuple(key)
    if version != VERSION or bound != [scope, tenant_id] or _shape(key) != _shape(default):
        raise _invalid(field, token)
    return key  # type: ignore[no-any-return]  # its shape is the default's


def _shape(key: object) -> object:
    if isinstance(key, tuple):
        return tuple(_shape(part) for part in key)
    return "too large" if isinstance(key, int) and abs(key) > INT64_MAX else type(key)


def _invalid(field: str, token: str) -> InvalidField:
    return InvalidField(field, token, "the token of a page of this list", reason="INVALID_TOKEN")
