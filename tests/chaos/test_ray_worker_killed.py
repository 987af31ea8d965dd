"""kill -9 of Ray workers in the middle of batches: a retry, not a row."""

import asyncio
import os
import re
import signal
import urllib.request

import psutil
from vcci_client.encode import Form

from tests.chaos.trial import Trial
from tests.server_process import ServerProcess, running_server
from tests.waiting import until

KILLS = 2
RAY = {"VCCI_RAY_ADDRESS": "local", "VCCI_RAY_THRESHOLD_S": "0.001"}


def busy_worker(server: ServerProcess) -> int:
    """The process id of a Ray worker that works for the server now, as its title says; 0: none does."""
    for process in psutil.Process(server.pid).children(recursive=True):
        try:
            if process.cmdline()[:1] == ["ray::run"]:
                return process.pid
        except psutil.NoSuchProcess:
            continue
    return 0


def counted(server: ServerProcess, sample: str) -> float:
    """The value of a metric."""
    with urllib.request.urlopen(f"http://{server.metrics}/metrics") as response:
        found = re.search(rf"^{re.escape(sample)} (\S+)$", response.read().decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0


async def test_a_worker_killed_in_the_middle_of_a_batch_costs_a_retry_and_no_row() -> None:
    with running_server(env=RAY) as server:
        trial = Trial(server, rows=80_000, batch_rows=10_000, form=Form.ROWS)
        uploading = asyncio.create_task(trial.run())
        for _ in range(KILLS):
            os.kill(await until(lambda: busy_worker(server), 60), signal.SIGKILL)
        await trial.check(await uploading)
        retried = counted(server, 'worker_tasks_total{status="retry",task_name="calculate_rows"}')
        assert retried >= 1
        assert counted(server, 'vcci_ingest_batches_total{form="rows",place="ray"}') == 8
        assert trial.problems == [], "the client does not hear of it"
