"""The channel to a server: plain on this machine, TLS to every other."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
import grpc.aio

from vcci_client.errors import FileProblem

LOOPBACK = ("127.", "localhost:", "[::1]:", "unix:")


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: who signs servers (empty: the authorities that gRPC brings), and the client's own certificate."""

    ca: str = ""
    certificate: str = ""
    key: str = ""

    @classmethod
    def from_environment(cls) -> "TlsFiles":
        """Return those of VCCI_CA, VCCI_CERTIFICATE and VCCI_KEY."""
        return cls(*(os.environ.get(name, "") for name in ("VCCI_CA", "VCCI_CERTIFICATE", "VCCI_KEY")))

    @property
    def given(self) -> bool:
        """Whether any is."""
        return bool(self.ca or self.certificate or self.key)


def is_loopback(address: str) -> bool:
    """Tell whether an address is on this machine, which nobody else hears."""
    return address.removeprefix("http://").startswith(LOOPBACK)


def open_channel(address: str, tls: TlsFiles, options: Sequence[tuple[str, int | str]]) -> grpc.aio.Channel:
    """Return the channel to `host:port`, `https://host:port`, or, plain whatever the host, `http://host:port`."""
    plain = address.startswith("http://") or (is_loopback(address) and not tls.given)
    target = address.removeprefix("https://").removeprefix("http://")
    if plain:
        return grpc.aio.insecure_channel(target, options)
    ca, key, certificate = (_read(path) for path in (tls.ca, tls.key, tls.certificate))
    return grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(ca, key, certificate), options)


def _read(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes() if path else None
    except OSError as error:
        raise FileProblem(f"{path} cannot be read: {error.strerror}") from error
