"""Who calls: who it is, what they may do, how they showed it, and until when; and tokens for development."""

import os
import secrets
import stat
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol, TypeVar

import jwt
from vcci_engine.errors import Unauthenticated, shown

from vcci_server.settings import SettingsError

DEVELOPMENT_ALGORITHM = "HS256"
LATEST = 4_102_444_800  # the year 2100: a token does not outlive it
MOST_REMEMBERED = 4_096  # tokens, and tenants
MOST_CHARACTERS = 255  # of a subject: OpenID Connect Core 1.0, section 2

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


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says."""

    subject: str
    tenant: str
    roles: frozenset[Role]
    expires_at: float  # seconds since 1970


class Tokens(Protocol):
    """Those tokens that are taken."""

    async def claims(self, token: str) -> Claims:
        """Return what a token says; raise Unauthenticated or an error of PyJWT."""


class Certificates(Protocol):
    """Those client certificates that stand for somebody."""

    def claims(self, peer: Mapping[str, Iterable[bytes]]) -> Claims:
        """Return who shows the certificate that gRPC has verified; raise Unauthenticated."""


class NoTokens:
    """Takes no token: callers show certificates."""

    async def claims(self, token: str) -> Claims:
        """Raise Unauthenticated."""
        raise Unauthenticated("tokens are not taken here: come with a client certificate that is known")


class Authenticator:
    """Checks tokens. One that was right is remembered by its hash until it expires: a call costs microseconds."""

    def __init__(
        self,
        tokens: Tokens,
        tenant_id: TenantId,
        *,
        certificates: Certificates | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._tokens = tokens
        self._certificates = certificates
        self._load_tenant_id = tenant_id
        self._clock = clock
        self._known: dict[bytes, Principal] = {}
        self._tenant_ids: dict[str, int] = {}

    def remembered(self, token: str) -> Principal | None:
        """Return the caller of a token that was checked before and is still valid."""
        known = self._known.get(_digest(token))
        return known if known and known.expires_at > self._clock() else None

    def forget(self) -> None:
        """Check every token and certificate again: the keys, or who is who, have changed."""
        self._known.clear()

    def seconds_left(self, who: Principal) -> float:
        """How long the credentials of a call are still valid."""
        return who.expires_at - self._clock()

    async def check(self, token: str) -> Principal:
        """Return the caller of a token, or raise Unauthenticated."""
        try:
            claims = await self._tokens.claims(token)
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("the token has expired", reason="CREDENTIALS_EXPIRED") from error
        except (jwt.InvalidTokenError, RecursionError) as error:
            raise Unauthenticated("the token is not valid for this server") from error
        who = await self._principal(claims, Means.TOKEN)
        _remember(self._known, _digest(token), who)
        return who

    async def check_peer(self, peer: Mapping[str, Iterable[bytes]]) -> Principal:
        """Return who shows a client certificate, which gRPC has verified, or raise Unauthenticated."""
        (certificate,) = peer.get("x509_pem_cert") or (b"",)
        known = self._known.get(certificate)
        if known is None:
            if self._certificates is None or not certificate:
                raise Unauthenticated
            known = await self._principal(self._certificates.claims(peer), Means.CERTIFICATE)
            _remember(self._known, certificate, known)
        if known.expires_at <= self._clock():
            raise Unauthenticated("the client certificate has expired", reason="CREDENTIALS_EXPIRED")
        return known

    async def _principal(self, claims: Claims, means: Means) -> Principal:
        tenant_id = await self._tenant_id(claims.tenant)
        return Principal(tenant_id, claims.tenant, claims.subject, claims.roles, means, claims.expires_at)

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


def read_claims(given: Mapping[str, Any], *, tenant: str = "tenant", roles: str = "roles") -> Claims:
    """Return a token's claims, of which `tenant` and `roles` have these names; raise Unauthenticated."""
    subject, of_tenant = (_text(given, name) for name in ("sub", tenant))
    listed = given.get(roles, [])
    names = listed.split() if isinstance(listed, str) else listed
    if not isinstance(names, list):
        raise Unauthenticated(f"the token's claim `{roles}` is neither a list nor a text")
    of_ours = frozenset(role for role in Role if role in names)
    return Claims(subject, of_tenant, of_ours, float(min(int(given["exp"]), LATEST)))


def _text(given: Mapping[str, Any], name: str) -> str:
    """Return a claim that can be stored and shown: neither NUL nor half of a pair of surrogates."""
    found = given.get(name)
    if not isinstance(found, str) or not found.isprintable() or not 0 < len(found) <= MOST_CHARACTERS:
        expected = f"a printable text of 1 to {MOST_CHARACTERS} characters"
        raise Unauthenticated(f"the token has no claim `{name}` that is {expected}")
    return found


@dataclass(frozen=True, slots=True)
class DevelopmentTokens:
    """Tokens that this service makes for itself, signed with a secret of its own."""

    secret: str = field(repr=False)

    async def claims(self, token: str) -> Claims:
        """Return what a token says; raise Unauthenticated or an error of PyJWT."""
        options: Any = {"require": ["exp", "sub"]}
        return read_claims(jwt.decode(token, self.secret, algorithms=[DEVELOPMENT_ALGORITHM], options=options))


def make_token(secret: str, tenant: str, subject: str, lifetime_s: float, roles: Iterable[Role] = (Role.ADMIN,)) -> str:
    """Return a token for development that is valid from now on."""
    claims = {"sub": subject, "tenant": tenant, "roles": [*roles], "exp": time.time() + lifetime_s}
    return jwt.encode(claims, secret, DEVELOPMENT_ALGORITHM)


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
