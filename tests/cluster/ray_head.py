"""A Ray head started as an operator does, on ports and in a folder of its own."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.processes import session
from tests.waiting import wait_until


@dataclass(frozen=True)
class Head:
    """A running head."""

    address: str
    token: str
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """End the head and all that it started, without notice."""
        for pid in session(self.process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def running_head() -> Iterator[Head]:
    """Run `ray start --head` with token authentication and a custom resource."""
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        token, port, *others = secrets.token_hex(32), *free_ports(4)
        environment = os.environ | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token, "RAY_TMPDIR": folder}
        with (Path(folder) / "head.log").open("wb") as log:
            process = subprocess.Popen(
                _command(folder, port, others), env=environment, stdout=log, stderr=log, start_new_session=True
            )
        head = Head(f"127.0.0.1:{port}", token, process)
        try:
            wait_until(lambda: "This command will now block" in (Path(folder) / "head.log").read_text(), timeout_s=60)
            yield head
        finally:
            head.kill()
            wait_until(lambda: not session(process.pid))


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [sock.getsockname()[1] for sock in sockets]


def _command(folder: str, port: int, others: list[int]) -> list[str]:
    names = ("ray-client-server-port", "dashboard-agent-listen-port", "dashboard-port")
    return [
        str(Path(sys.executable).with_name("ray")),
        *("start", "--head", "--block", f"--port={port}", f"--temp-dir={folder}", "--node-ip-address=127.0.0.1"),
        *(f"--{name}={other}" for name, other in zip(names, others, strict=True)),
        *("--num-cpus=2", "--object-store-memory=100000000", "--include-dashboard=false", "--disable-usage-stats"),
        '--resources={"vcci_reporting": 1}',
    ]
