"""kill -9 of the server, at the worst moments and at random, while the client library uploads: each row once."""

import asyncio
import os
import random
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from vcci_server.storage.embedded import EmbeddedServer

from tests.chaos.trial import Trial
from tests.server_process import SERVER, STOP_S, ServerProcess, running_server
from tests.uploads import Uploads

LAUNCHER = str(Path(__file__).with_name("launcher.py"))
MOMENTS = {"embedded": ("before_copy", "after_copy", "after_commit"), "external": ("after_copy", "after_commit")}
KILLS = 20


@contextmanager
def settings_of(database: str) -> Iterator[dict[str, str]]:
    """The environment of a server with the embedded database, or with one that runs by itself."""
    if database == "embedded":
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="vcci-test-") as folder:
        Path(folder).chmod(0o711)
        postgres = EmbeddedServer(Path(folder))
        try:
            yield {"VCCI_DATABASE_URL": postgres.url, "VCCI_MIGRATE": "1"}
        finally:
            postgres.stop()


@pytest.mark.parametrize(("database", "moments"), MOMENTS.items(), ids=MOMENTS)
async def test_a_kill_around_the_commit_loses_and_doubles_nothing(database: str, moments: Sequence[str]) -> None:
    programs = [(LAUNCHER, moment, "2") for moment in moments]
    with settings_of(database) as env, running_server(env=env, program=programs[0]) as server:
        trial = Trial(server, rows=30_000, batch_rows=500)
        uploading = asyncio.create_task(trial.run())
        for moment, following in zip(moments, [*programs[1:], SERVER], strict=True):
            assert await asyncio.to_thread(server.ended) == -signal.SIGKILL
            committed = await trial.committed_rows()
            assert committed >= max(trial.told)
            if moment == "after_commit":
                assert committed > max(trial.told), "what is committed is not acknowledged"
            server.program = following
            await asyncio.to_thread(server.start)
        await trial.check(await uploading)


class Killer:
    """Kills a server at random moments of an upload, and starts it again."""

    def __init__(self, server: ServerProcess, rng: random.Random) -> None:
        self.kills = 0
        self._server = server
        self._rng = rng
        self._loop = asyncio.get_running_loop()
        self._killed = asyncio.Event()
        self._ticks_left = 1  # 0 and less: not armed

    def tick(self) -> None:
        """Kill when it is time; called from any thread."""
        self._ticks_left -= 1
        if self._ticks_left == 0 and self.kills < KILLS:
            os.kill(self._server.pid, signal.SIGKILL)
            self.kills += 1
            self._loop.call_soon_threadsafe(self._killed.set)

    async def revive(self) -> None:
        """Start the server again after it was killed."""
        async with asyncio.timeout(STOP_S):
            await self._killed.wait()
        self._killed.clear()
        assert await asyncio.to_thread(self._server.ended) == -signal.SIGKILL
        await asyncio.to_thread(self._server.start)

    def arm(self) -> None:
        """Kill again after some more ticks."""
        self._ticks_left = self._rng.randint(1, 8)


async def test_twenty_kills_within_one_upload_lose_and_double_nothing() -> None:
    rows, batch_rows = 60_000, 250
    with running_server() as server:
        killer = Killer(server, random.Random(20_250_301))
        trial = Trial(server, rows, batch_rows, tick=killer.tick)
        uploading = asyncio.create_task(trial.run())
        whole, _ = await trial.expected()
        for _ in range(KILLS):
            await killer.revive()
            async with server.channel() as channel:
                seen = (await Uploads(channel, server.metadata()).stored(trial.name)).row.tolist()
            through = -(-(max(seen, default=-1) + 1) // batch_rows) * batch_rows
            assert seen == [row for row in whole["row"] if row < through], "whole batches are seen, in order"
            killer.arm()
        await trial.check(await uploading)
        assert killer.kills == KILLS
        assert len(trial.problems) >= KILLS / 2, "the client had to come back again and again"
