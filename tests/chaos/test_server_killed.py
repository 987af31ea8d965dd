"""kill -9 of a server with an embedded database, at the worst moments of an upload: each row once."""

import asyncio
import signal
import tempfile
from pathlib import Path

from tests.chaos.launcher import MOMENTS, arm
from tests.chaos.system import LAUNCHER
from tests.chaos.trial import Trial
from tests.server_process import running_server
from tests.waiting import until


async def test_a_kill_around_the_commit_loses_and_doubles_nothing() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(env={"CHAOS_FOLDER": folder}, program=(LAUNCHER,)) as server,
    ):
        trial = Trial(server, rows=30_000, batch_rows=250)
        arm(Path(folder), MOMENTS[0])
        uploading = asyncio.create_task(trial.run())
        for moment, following in zip(MOMENTS, [*MOMENTS[1:], ""], strict=True):
            assert await asyncio.to_thread(server.ended) == -signal.SIGKILL
            committed = await trial.committed_rows() if trial.name else 0
            assert committed >= max(trial.told, default=0)
            if moment == "after_commit":
                assert committed > max(trial.told), "what is committed is not acknowledged"
            await asyncio.to_thread(server.start)
            before = max(trial.told, default=0)
            await until(lambda before=before: max(trial.told, default=0) > before)  # type: ignore[misc]
            if following:
                arm(Path(folder), following)
        await trial.check(await uploading)
