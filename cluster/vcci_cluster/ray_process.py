"""The Ray driver's process: its environment, its start, its end."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from vcci_cluster import wire
from vcci_cluster.errors import RayUnavailable
from vcci_cluster.work import RayOptions

RUN_DRIVER = "from vcci_cluster.ray_driver import main; main()"
SOCKET_BUFFER_BYTES = 1 << 20
STOP_TIMEOUT_S = 20.0


class RayProcess:
    """A driver process in a session of its own (Ctrl-C does not reach it), with a socket to it and a private folder."""

    def __init__(self, address: str, token: str | None, options: RayOptions) -> None:
        self.cpus = 0
        self.folder = _private_folder()
        self.socket, theirs = socket.socketpair()
        for end in (self.socket, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)
        with theirs, self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  our own module
                [sys.executable, "-c", RUN_DRIVER, str(theirs.fileno())],
                env=_environment(address, token, self.folder),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._start = wire.Start(
            address, str(self.folder), options.cpus, options.object_store_bytes, options.max_calls, options.kill_after_s
        )

    def connect(self, timeout_s: float) -> None:
        """Have the driver start or join Ray, and wait until a worker answers; raise RayUnavailable."""
        self.socket.settimeout(timeout_s)
        try:
            wire.send(self.socket, self._start)
            answer = wire.receive(self.socket)
        except TimeoutError:
            raise _unavailable(self._start.address, f"no answer within {timeout_s} s") from None
        except OSError:
            answer = None
        match answer:
            case wire.Ready(cpus), _:
                self.cpus = cpus
                self.socket.settimeout(None)
            case wire.Refused(reason), _:
                raise _unavailable(self._start.address, reason)
            case _:
                raise _unavailable(self._start.address, self.last_words())

    def last_words(self) -> str:
        """Return the last line that the driver printed."""
        lines = self._log.read_text(errors="replace").split("\n") if self._log.exists() else []
        return next((line for line in reversed(lines) if line.strip()), "the driver process ended")

    def stop(self, *, politely: bool) -> None:
        """End the driver and, if it started one, the local Ray; politely it may finish what it does."""
        self.hang_up()
        if politely:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT_S)
        if self._process.returncode is None:  # not reaped: the number of its group is still its own
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self.socket.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def hang_up(self) -> None:
        """Close the connection, so that both ends see the end of the stream."""
        with suppress(OSError):  # the driver was first
            self.socket.shutdown(socket.SHUT_RDWR)

    @property
    def _log(self) -> Path:
        return self.folder / "driver.log"


def _unavailable(address: str, reason: str) -> RayUnavailable:
    return RayUnavailable(f"Ray at {address!r} cannot be used: {reason}")


def _private_folder() -> Path:
    """Make a folder for the token, the log and a local Ray's session, where paths of sockets stay under 104 bytes."""
    return Path(tempfile.mkdtemp(prefix="vcci-ray-", dir=os.environ.get("RAY_TMPDIR", "/tmp")))  # noqa: S108


def _environment(address: str, token: str | None, folder: Path) -> dict[str, str]:
    """Return the driver's environment; the token travels in a private file, a local Ray gets one of its own."""
    environment = {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0", "RAY_NUM_REDIS_GET_RETRIES": "3"}
    environment |= os.environ | {"RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}  # workers have this environment already
    if address == "local":
        token = secrets.token_hex(32)
        environment |= {"RAY_AUTH_MODE": "token", "RAY_NUM_REDIS_GET_RETRIES": "60"}
    if token:
        path = folder / "token"
        path.touch(0o600)
        path.write_text(token)
        environment.pop("RAY_AUTH_TOKEN", None)
        environment["RAY_AUTH_TOKEN_PATH"] = str(path)
    return environment
