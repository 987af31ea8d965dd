"""Where the server listens."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from vcci_server.settings import SettingsError


@dataclass(frozen=True, slots=True)
class Listening:
    """Where the server can be reached, as `host:port`."""

    grpc: str
    metrics: str


@contextmanager
def taken(name: str, address: str) -> Iterator[None]:
    """Say which setting names an address that the body cannot listen on."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise SettingsError(f"{name}: cannot listen on {address}: is it taken?") from error


def address_of(host: str, port: int) -> str:
    """Return `host:port` or `[v6]:port`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
