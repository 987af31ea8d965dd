"""Connections that break, and a database that is killed, while the client library uploads: each row once."""

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from vcci_client import connection

from tests.chaos.proxy import Fate, proxy_to
from tests.chaos.trial import Trial
from tests.server_process import ServerProcess, running_server

CUTS = 15
CUT_AFTER_BYTES = (100, 20_000, 300_000, 350_000, 400_000)  # a window is 240 KB: beyond, something was acknowledged


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with running_server() as process:
        yield process


async def test_connections_cut_in_the_middle_of_a_message_lose_and_double_nothing(server: ServerProcess) -> None:
    rng = random.Random(7)
    fates = [Fate(after_bytes=rng.choice(CUT_AFTER_BYTES)) for _ in range(CUTS)]
    async with proxy_to(server.listening, iter(fates)) as proxy:
        trial = Trial(server, rows=80_000, batch_rows=500, address=proxy.address)
        await trial.check(await trial.run())
        assert proxy.broken == CUTS


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


def postmaster(server: ServerProcess) -> int:
    """The process id of a server's embedded PostgreSQL."""
    (file,) = Path(server.state_dir).glob("postgres/*/postmaster.pid")
    return int(file.read_text().splitlines()[0])


async def test_a_database_killed_again_and_again_loses_and_doubles_nothing(server: ServerProcess) -> None:
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        ticks += 1
        if ticks in (40, 140):
            os.kill(postmaster(server), signal.SIGKILL)

    trial = Trial(server, rows=50_000, batch_rows=500, tick=tick)
    await trial.check(await trial.run())
    assert trial.problems
