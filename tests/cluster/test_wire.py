"""Frames carry messages and payloads whole, and tell when the other side has gone."""

import socket
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from vcci_cluster import wire


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_a_value_survives_the_way(ends: tuple[socket.socket, socket.socket]) -> None:
    arrays = [np.arange(3_000_000.0), np.zeros(0), np.arange(10)[::2]]
    sender = threading.Thread(target=wire.send, args=(ends[0], wire.Done(7), wire.pack(("naïve", arrays))))
    sender.start()
    received = wire.receive(ends[1])
    sender.join()
    assert received
    assert received[0] == wire.Done(7)
    name, copies = wire.unpack(received[1])
    assert name == "naïve"
    assert all(map(np.array_equal, arrays, copies))


def test_contiguous_arrays_travel_as_buffers_of_their_own() -> None:
    array = np.arange(1000.0)
    _, buffer = wire.pack(array)
    assert np.shares_memory(np.frombuffer(buffer), array)


def test_a_closed_socket_ends_the_stream_even_within_a_frame(ends: tuple[socket.socket, socket.socket]) -> None:
    ends[0].sendall(b"\x01\x00\x00")
    ends[0].close()
    assert wire.receive(ends[1]) is None
