"""A connection that falls silent while the client library uploads: it is found out, and each row is there once."""

from collections.abc import Iterator

import pytest
from vcci_client import connection

from tests.chaos.proxy import Fate, proxy_to
from tests.chaos.trial import Trial
from tests.server_process import ServerProcess, running_server


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """A server of this file's own: all uploads of its database are counted."""
    with running_server() as process:
        yield process


async def test_a_connection_that_falls_silent_is_found_out(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    pings = ("grpc.keepalive_time_ms", "grpc.keepalive_timeout_ms", "grpc.http2.ping_timeout_ms")
    assert {*pings} <= dict(connection.OPTIONS).keys()
    quick = dict(connection.OPTIONS) | dict.fromkeys(pings, 1_000)
    monkeypatch.setattr(connection, "OPTIONS", tuple(quick.items()))
    async with proxy_to(server.listening, iter([Fate(after_bytes=400_000, silent=True)])) as proxy:
        trial = Trial(server, rows=30_000, batch_rows=500, address=proxy.address)
        await trial.check(await trial.run())
        assert proxy.broken == 1
