"""An embedded PostgreSQL: one server per state folder, shared by the processes that use it, stopped by the last.

Three locked files say what goes on, and the kernel unlocks them however a process ends: `change` (somebody starts or
stops the server), `users` (shared by the processes that use it) and `running` (inherited and held by the server's own
processes). So the server of a killed process is adopted, and a stale postmaster.pid is known to be stale.
"""

import asyncio
import logging
import os
import shlex
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from vcci_engine.errors import Unavailable

from vcci_server.storage.binaries import Binaries, account_for, choose, readable_by
from vcci_server.storage.file_locks import is_held, locked, release, share, try_lock

START_S = 60.0  # after a crash it first replays what was committed since the last checkpoint
STOP_S = {"fast": 30.0, "immediate": 10.0}  # modes of pg_ctl stop; after the second, the next start recovers
POLL_S = 0.02
WATCH_S = 1.0
PORT = 5432  # names the socket only
SOCKET_PATH_BYTES = 100  # the kernel takes 103 to 107

logger = logging.getLogger(__name__)

# For bulk ingest of large rows, and for being one guest among others on a machine. Nothing here weakens durability.
SERVER_SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "off",
    "jit": "off",
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@asynccontextmanager
async def embedded_database(state_dir: Path, *, binaries: Binaries | None = None) -> AsyncIterator[str]:
    """Run, or share, the server on `state_dir`, and give its URL."""
    starting = asyncio.create_task(asyncio.to_thread(EmbeddedServer, state_dir, binaries))
    try:
        server = await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.to_thread((await starting).stop)
        raise
    try:
        yield server.url
    finally:
        await asyncio.to_thread(server.stop)


class EmbeddedServer:
    """One user of the server on `state_dir`; a server that was killed is started again. Starting and stopping block."""

    def __init__(self, state_dir: Path, binaries: Binaries | None = None) -> None:
        self._home = state_dir.resolve() / "postgres"
        for folder in (state_dir, self._home):
            if not folder.exists():
                folder.mkdir(parents=True)
                folder.chmod(0o711)  # root's PostgreSQL runs as another user, who has to get through
        with locked(self._home / "change"):
            binaries = binaries or choose(self._home)
            self._data = self._home / str(binaries.major)
            self._account = account_for(self._data)
            self._binaries = readable_by(self._account, binaries, state_dir.resolve())
            self._start()
            self._use = share(self._home / "users")
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="embedded PostgreSQL", daemon=True)
        self._watcher.start()

    @property
    def url(self) -> str:
        """The URL of its database, for a client on this machine."""
        return f"postgresql://vcci@/postgres?host={quote(str(_socket(self._data).parent), safe='')}&port={PORT}"

    def stop(self) -> None:
        """Stop using the server; the last user stops it."""
        self._stopping.set()
        self._watcher.join()
        with locked(self._home / "change"):
            if release(self._use):
                self._shut_down()

    def _runs(self) -> bool:
        return is_held(self._home / "running")

    def _watch(self) -> None:
        while not self._stopping.wait(WATCH_S):
            if not self._runs():
                logger.error("the embedded PostgreSQL has ended; it is started again")
                with suppress(Unavailable), locked(self._home / "change"):  # the next round tries again
                    self._start()

    def _start(self) -> None:
        started = False
        for _ in _polls(START_S):
            if _answers(self._data):
                return
            running = try_lock(self._home / "running")
            if running is None:
                continue  # it starts, or the processes of a killed one are about to end
            try:
                if started:
                    raise Unavailable(f"PostgreSQL does not start:\n{self._log()}")
                self._launch(running)
                started = True
            finally:
                os.close(running)
        raise Unavailable(f"PostgreSQL did not start within {START_S:.0f} s:\n{self._log()}")

    def _launch(self, running: int) -> None:
        """Start the server, which inherits the lock `running` and holds it until its last process has ended."""
        if not self._data.exists():
            self._initialize()
        sockets = self._socket_folder()
        for stale in (self._data / "postmaster.pid", sockets / f".s.PGSQL.{PORT}.lock"):
            stale.unlink(missing_ok=True)  # the number in it may be another process's by now
        settings = {**SERVER_SETTINGS, "unix_socket_directories": str(sockets)}
        options = shlex.join(word for name, value in settings.items() for word in ("-c", f"{name}={value}"))
        started = self._pg_ctl("start", "-W", "-l", self._data / "server.log", "-o", options, pass_fds=[running])
        if started.returncode:
            raise Unavailable(f"PostgreSQL's pg_ctl failed:\n{started.stdout}")

    def _initialize(self) -> None:
        new = self._data.with_name(f"{self._data.name}.new")  # renamed when complete
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        self._own(new)
        if not self._account.reaches(new):
            raise Unavailable(
                f"the user with id {self._account.uid}, who runs PostgreSQL for root, cannot enter {new}: "
                "set VCCI_STATE_DIR to a folder that others may enter"
            )
        options = ["--username=vcci", "--auth=trust", "--encoding=UTF8", "--locale=C", "--data-checksums"]
        made = self._account.run([self._binaries.folder / "initdb", *options, "-D", new])
        if made.returncode:
            raise Unavailable(f"PostgreSQL's initdb failed:\n{made.stdout}")
        new.rename(self._data)

    def _socket_folder(self) -> Path:
        """Return the data folder, which is private, or, where its path is too long, a temporary one that is private."""
        if len(os.fsencode(self._data / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_BYTES:
            return self._data
        with suppress(OSError, IndexError):  # where the killed server's clients look for it, if it is still ours
            earlier = _socket(self._data).parent
            if earlier.stat().st_uid == self._data.stat().st_uid:
                return earlier
        folder = Path(tempfile.mkdtemp(prefix="vcci-"))
        self._own(folder)
        return folder

    def _own(self, folder: Path) -> None:
        if self._account.uid is not None and self._account.gid is not None:
            os.chown(folder, self._account.uid, self._account.gid)

    def _shut_down(self) -> None:
        if not self._runs():
            return
        folder = _socket(self._data).parent
        for mode, patience_s in STOP_S.items():
            self._pg_ctl("stop", "-W", "-m", mode)
            for _ in _polls(patience_s):
                if not self._runs():
                    if folder != self._data:
                        shutil.rmtree(folder, ignore_errors=True)
                    return
        raise Unavailable(f"PostgreSQL does not stop:\n{self._log()}")

    def _pg_ctl(
        self, action: str, *options: str | Path, pass_fds: Sequence[int] = ()
    ) -> subprocess.CompletedProcess[str]:
        command = [self._binaries.folder / "pg_ctl", action, "-D", self._data, "-s", *options]
        return self._account.run(command, pass_fds=pass_fds)

    def _log(self) -> str:
        log = self._data / "server.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-20:]) if log.exists() else ""


def _socket(data: Path) -> Path:
    """Return the path of the running server's socket, as it wrote it down."""
    lines = (data / "postmaster.pid").read_text().splitlines()
    return Path(lines[4], f".s.PGSQL.{lines[3]}")


def _answers(data: Path) -> bool:
    """Tell whether a server on `data` is ready."""
    try:
        ready = (data / "postmaster.pid").read_text().splitlines()[7].strip() == "ready"
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(_socket(data)))
    except (OSError, IndexError):
        return False
    return ready


def _polls(timeout_s: float) -> Iterator[None]:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        yield
        time.sleep(POLL_S)
