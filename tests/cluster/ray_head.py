"""A Ray head started as an operator does, on ports and in a folder of its own."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.processes import session
from tests.waiting import wait_until


@dataclass
class Head:
    """A running head; it keeps its address and its token."""

    address: str
    token: str
    folder: str
    command: Sequence[str]
    process: "subprocess.Popen[bytes]" = field(init=False)

    def start(self) -> None:
        """Start it, and return when it can be joined."""
        environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token, "RAY_TMPDIR": self.folder}
        log = Path(self.folder) / "head.log"
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                self.command, env=os.environ | environment, stdout=file, stderr=file, start_new_session=True
            )
        wait_until(lambda: "This command will now block" in log.read_text(), timeout_s=60)

    def processes(self) -> list[int]:
        """The processes of the head, and of the workers on its node."""
        return session(self.process.pid)

    def kill(self) -> None:
        """End the head and all that it started, without notice."""
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        wait_until(lambda: not self.processes())


@contextmanager
def running_head() -> Iterator[Head]:
    """Run `ray start --head` with token authentication and a custom resource."""
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        port, *others = free_ports(4)
        head = Head(f"127.0.0.1:{port}", secrets.token_hex(32), folder, _command(folder, port, others))
        try:
            head.start()
            yield head
        finally:
            head.kill()


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
