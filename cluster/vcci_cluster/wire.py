"""Frames between the server, its Ray driver process and Ray's workers.

A frame is a count, the sizes and the bytes of its parts: a pickled message, then the buffers of a payload. A payload is
a value pickled with protocol 5, its arrays as buffers of their own, so that they are copied once, not twice.
"""

import pickle
import socket
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

Buffers = Sequence[bytes | bytearray | memoryview]


class Start(NamedTuple):
    """To the driver, first: how to start or join Ray."""

    address: str
    folder: str
    cpus: int | None
    object_store_bytes: int
    max_calls: int
    kill_after_s: float


class Share(NamedTuple):
    """To the driver: keep the payload in the object store under a key."""

    key: int


class Unshare(NamedTuple):
    """To the driver: forget a key."""

    key: int


class Run(NamedTuple):
    """To the driver: run the payload, a function and its arguments, after the values of the shared keys."""

    call: int
    shared: tuple[int, ...]
    resource: str | None


class Cancel(NamedTuple):
    """To the driver: stop a call."""

    call: int


class Ready(NamedTuple):
    """From the driver: Ray answers, and has so many CPUs."""

    cpus: int


class Refused(NamedTuple):
    """From the driver: Ray cannot be started or joined."""

    reason: str


class Done(NamedTuple):
    """From the driver: a call's payload, which is whether it succeeded, and its result or error."""

    call: int


class Lost(NamedTuple):
    """From the driver: Ray lost a call."""

    call: int
    reason: str


Message = Start | Share | Unshare | Run | Cancel | Ready | Refused | Done | Lost


def pack(value: object) -> list[bytes | memoryview]:
    """Pickle a value into a payload, without copying its contiguous arrays."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    return [head, *(buffer.raw() for buffer in buffers)]


def unpack(payload: Buffers) -> Any:
    """Return the value of a payload; its arrays live in the payload's buffers, and are read-only where those are."""
    head, *buffers = payload
    return pickle.loads(head, buffers=buffers)  # noqa: S301  from our own processes


def send(sock: socket.socket, message: Message, payload: Buffers = ()) -> None:
    """Send one frame."""
    parts = [pickle.dumps(message), *payload]
    sizes = [memoryview(part).nbytes for part in parts]
    sock.sendall(struct.pack(f"<{len(sizes) + 1}Q", len(sizes), *sizes))
    for part in parts:
        sock.sendall(part)


def receive(sock: socket.socket) -> tuple[Message, list[bytearray]] | None:
    """Wait for one frame; None when the other side has gone."""
    try:
        (count,) = struct.unpack("<Q", _receive_bytes(sock, 8))
        sizes = struct.unpack(f"<{count}Q", _receive_bytes(sock, 8 * count))
        message, *payload = [_receive_bytes(sock, size) for size in sizes]
    except (EOFError, ConnectionError):
        return None
    return pickle.loads(message), payload  # noqa: S301  from our own processes


def _receive_bytes(sock: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    view = memoryview(data)
    while view:
        received = sock.recv_into(view)
        if not received:
            raise EOFError
        view = view[received:]
    return data
