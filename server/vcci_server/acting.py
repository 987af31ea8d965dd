"""Who acts: what is recorded of a call that changes what others work with."""

from vcci_server.auth import caller
from vcci_server.logs import request_id
from vcci_server.storage.activations import Actor


def acting() -> Actor:
    """Return who makes the current call, and which call it is."""
    return Actor(caller().subject, request_id.get())
