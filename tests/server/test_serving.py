"""The threads of the gRPC server."""

import os
from pathlib import Path

import pytest

from tests.server_process import ServerProcess


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="Linux has this policy")
def test_grpc_s_threads_give_way_to_the_event_loop(server: ServerProcess) -> None:
    threads = {int(path.name): (path / "comm").read_text() for path in Path(f"/proc/{server.pid}/task").iterdir()}
    policies = {thread: os.sched_getscheduler(thread) for thread in threads}
    assert policies.pop(server.pid) == os.SCHED_OTHER
    of_engine = {thread for thread in policies if threads[thread].startswith("event_engine")}
    assert {policies[thread] for thread in of_engine} == {os.SCHED_BATCH}
    others = [policy for thread, policy in policies.items() if thread not in of_engine]
    assert os.SCHED_BATCH in others  # of the one that polls the completion queue
    assert os.SCHED_OTHER in others
