"""Who calls: bearer tokens, HS256 JSON Web Tokens with the claims `sub`, `tenant`, `roles` and `exp`."""

import os
import secrets
import stat
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import jwt
from vcci_engine.errors import Unauthenticated, shown

from vcci_server.settings import SettingsError

ALGORITHM = "HS256"
CLAIMS = ["exp", "sub", "tenant", "roles"]
MOST_REMEMBERED = 4_096  # tokens, and tenants

K = TypeVar("K")
V = TypeVar("V")
TenantId = Callable[[str], Awaitable[int | None]]


class Role(StrEnum):
    """What somebody may do."""

    READER = "reader"
    UPLOADER = "uploader"
    ANALYST = "analyst"
    ADMIN = "admin"


class Means(StrEnum):
    """How somebody showed who they are."""

    TOKEN = "token"  # noqa: S105  a word
    CERTIFICATE = "certificate"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who makes a call, as verified: nothing in a request changes it."""

    tenant_id: int
    tenant: str
    subject: str
    roles: frozenset[Role]
    means: Means
    expires_at: float  # seconds since 1970


_caller: ContextVar[Principal] = ContextVar("caller")


def caller() -> Principal:
    """Return who makes the current call."""
    return _caller.get()


def set_caller(who: Principal) -> None:
    """Say who makes the current call; every call has a context of its own."""
    _caller.set(who)


class Authenticator:
    """Checks tokens. One that was right is remembered by its hash until it expires: a call costs microseconds."""

    def __init__(self, secret: str, tenant_id: TenantId, *, clock: Callable[[], float] = time.time) -> None:
        self._secret = secret
        self._load_tenant_id = tenant_id
        self._clock = clock
        self._known: dict[bytes, Principal] = {}
        self._tenant_ids: dict[str, int] = {}

    def remembered(self, token: str) -> Principal | None:
        """Return the caller of a token that was checked before and is still valid."""
        known = self._known.get(_digest(token))
        return known if known and known.expires_at > self._clock() else None

    async def check(self, token: str) -> Principal:
        """Return the caller of a token, or raise Unauthenticated."""
        try:
            claims = jwt.decode(token, self._secret, algorithms=[ALGORITHM], options={"require": CLAIMS})
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("the token has expired") from error
        except jwt.InvalidTokenError as error:
            raise Unauthenticated("the token is not valid for this server") from error
        tenant = claims["tenant"]
        if not isinstance(tenant, str):
            raise Unauthenticated("the token's claim `tenant` is not a text")
        roles, expires_at = roles_of(claims["roles"]), float(claims["exp"])
        who = Principal(await self._tenant_id(tenant), tenant, claims["sub"], roles, Means.TOKEN, expires_at)
        _remember(self._known, _digest(token), who)
        return who

    async def _tenant_id(self, tenant: str) -> int:
        if tenant not in self._tenant_ids:
            tenant_id = await self._load_tenant_id(tenant)
            if tenant_id is None:
                raise Unauthenticated(f"there is no tenant {shown(tenant)!r}", reason="UNKNOWN_TENANT")
            _remember(self._tenant_ids, tenant, tenant_id)
        return self._tenant_ids[tenant]


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()


def _remember(known: dict[K, V], key: K, value: V) -> None:
    while len(known) >= MOST_REMEMBERED:
        del known[next(iter(known))]
    known[key] = value


def roles_of(claim: object) -> frozenset[Role]:
    """Return the roles that a claim lists, or names with spaces between; those that are not ours are left out."""
    names = claim.split() if isinstance(claim, str) else claim
    if not isinstance(names, list):
        raise Unauthenticated("the token's claim `roles` is neither a list nor a text")
    return frozenset(role for role in Role if role in names)


def make_token(secret: str, tenant: str, subject: str, lifetime_s: float, roles: Iterable[Role] = (Role.ADMIN,)) -> str:
    """Return a token that is valid from now on."""
    claims = {"sub": subject, "tenant": tenant, "roles": [*roles], "exp": time.time() + lifetime_s}
    return jwt.encode(claims, secret, ALGORITHM)


def load_secret(state_dir: Path) -> str:
    """Return the secret of the state folder; the first process that asks makes it."""
    path = state_dir / "token_secret"
    if not path.exists():
        _make_secret(path)
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SettingsError(f"{path} can be read by others: chmod 600 it, or delete it and all tokens become invalid")
    return path.read_text().strip()


def _make_secret(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(32))
        os.link(temporary, path)  # whole or not at all, and never over another process's
    except FileExistsError:
        pass
    finally:
        os.unlink(temporary)
