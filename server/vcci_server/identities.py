"""Who a client certificate is: names in certificates, and the tenant and roles that each stands for.

    ["uri:spiffe://acme.example/erp"]
    tenant = "acme"
    roles = ["uploader"]

A name is `uri:`, `dns:`, `email:` (of the alternative names), `cn:` or `subject:` (the whole, as RFC 2253 writes it);
the first in this order that the file has counts.
"""

import asyncio
import logging
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from cryptography import x509
from vcci_engine.errors import Unauthenticated

from vcci_server.auth import Claims, Role
from vcci_server.changing import LOOK_EVERY_S, ChangingFiles
from vcci_server.settings import SettingsError

# The kinds of names, and what gRPC calls them.
KINDS = {
    "uri": "peer_uri",
    "dns": "peer_dns",
    "email": "peer_email",
    "cn": "x509_common_name",
    "subject": "x509_subject",
}
CERTIFICATE = "x509_pem_cert"

logger = logging.getLogger(__name__)

Peer = Mapping[str, Iterable[bytes]]  # what gRPC knows of the other side of a connection
Known = Mapping[str, tuple[str, frozenset[Role]]]  # tenant and roles by name


class Identities:
    """The mapping file, followed as it changes."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._watched = ChangingFiles(path)
        self._watched.have_changed()
        self._known = read_identities(path)
        self.on_change: Callable[[], None] = lambda: None

    def claims(self, peer: Peer) -> Claims:
        """Return who shows this certificate, which gRPC has verified; raise Unauthenticated."""
        for name in names_of(peer):
            if name in self._known:
                tenant, roles = self._known[name]
                return Claims(name, tenant, roles, _expires_at(peer))
        raise Unauthenticated("nobody is known by the names in this client certificate")

    async def follow(self) -> None:
        """Go on looking for changes."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if await asyncio.to_thread(self._watched.have_changed):
                self._read_again()

    def _read_again(self) -> None:
        try:
            self._known = read_identities(self._path)
        except SettingsError as error:
            logger.warning("the last identities stay: %s", error)
            return
        logger.info("the identities of client certificates have changed")
        self.on_change()


def names_of(peer: Peer) -> list[str]:
    """Return the names in a certificate, each with its kind."""
    return [f"{kind}:{name.decode(errors='replace')}" for kind, key in KINDS.items() for name in peer.get(key, ())]


def read_identities(path: str) -> Known:
    """Read a mapping file; raise SettingsError."""
    try:
        given = tomllib.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"VCCI_TLS_IDENTITIES: {path}: {error}") from error
    return {name: _identity(path, name, entry) for name, entry in given.items()}


def _identity(path: str, name: str, entry: Any) -> tuple[str, frozenset[Role]]:
    if name.partition(":")[0] not in KINDS or ":" not in name:
        raise SettingsError(
            f"VCCI_TLS_IDENTITIES: {path}: found {name!r}, expected one of {', '.join(KINDS)}, `:`, a name"
        )
    if not isinstance(entry, dict) or set(entry) != {"tenant", "roles"} or not isinstance(entry["tenant"], str):
        raise SettingsError(f"VCCI_TLS_IDENTITIES: {path}: {name} has `tenant`, a text, and `roles`, a list")
    try:
        return entry["tenant"], frozenset(map(Role, entry["roles"]))
    except (ValueError, TypeError) as error:
        raise SettingsError(f"VCCI_TLS_IDENTITIES: {path}: {name}: roles are {', '.join(Role)}") from error


def _expires_at(peer: Peer) -> float:
    (pem,) = peer[CERTIFICATE]
    return x509.load_pem_x509_certificate(pem).not_valid_after_utc.timestamp()
