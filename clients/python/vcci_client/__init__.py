"""The client of VCCI: upload activities, read emissions.

    from vcci_client import Client

    with Client() as client:
        print(client.upload_file("activities.csv"))

Modules: `client` (AsyncClient, Client), `mapping` (a customer's own columns), `errors`, `emissions` (Arrow),
`activities` (whole batches of NumPy columns). The command is `vcci` (`vcci_client.cli`).
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vcci_client.client import AsyncClient, Client

__all__ = ["AsyncClient", "Client"]


def __getattr__(name: str) -> object:
    """Import the clients when they are asked for: `vcci --help` needs neither gRPC nor Arrow."""
    if name in __all__:
        from vcci_client import client

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
