"""A PostgreSQL of the tests' own, on a port of loopback: what tests start, stop and kill."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import asyncpg
from vcci_server.storage.binaries import account_for, choose, readable_by

from tests.waiting import until

READY_S = 60.0
SETTINGS = {
    "unix_socket_directories": "",
    "max_connections": "50",
    "shared_buffers": "64MB",
    "max_wal_size": "64MB",
    "min_wal_size": "32MB",
    "jit": "off",
}


class PostgresProcess:
    """A server on `folder`; it keeps its port, and recovers by itself when it is started after a kill."""

    def __init__(self, folder: Path, port: int, env: Mapping[str, str]) -> None:
        self._data = folder / "data"
        self._log = folder / "postgres.log"
        self._env = env
        self._account = account_for(self._data)
        self._binaries = readable_by(self._account, choose(folder), folder)
        self._process: subprocess.Popen[bytes] | None = None
        self.address = f"127.0.0.1:{port}"

    @property
    def url(self) -> str:
        """Where it is."""
        return url_at(self.address)

    @property
    def pid(self) -> int:
        """The process id of the postmaster."""
        assert self._process is not None
        return self._process.pid

    def initialize(self) -> None:
        """Make the data folder."""
        self._data.mkdir(mode=0o700)
        if self._account.uid is not None and self._account.gid is not None:
            os.chown(self._data, self._account.uid, self._account.gid)
        options = ["--username=vcci", "--auth=trust", "--encoding=UTF8", "--locale=C", "--data-checksums"]
        made = self._account.run([self._binaries.folder / "initdb", *options, "-D", self._data])
        assert made.returncode == 0, made.stdout

    def start(self) -> None:
        """Start it; `answers` tells when it can be used."""
        host, _, port = self.address.rpartition(":")
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        settings = {**SETTINGS, "listen_addresses": host, "port": port}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [self._binaries.folder / "postgres", "-D", self._data, *options],
                env={**os.environ, **self._env},
                user=self._account.uid,
                group=self._account.gid,
                extra_groups=None if self._account.uid is None else [],
                cwd="/",
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """Send SIGKILL to the postmaster; the others end when they see it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def has_ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._process is not None and self._process.poll() is not None

    def stop(self) -> None:
        """Stop it at once, unless it is not running."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(READY_S)
            self._process = None

    async def answers(self) -> bool:
        """Whether it can be used: it says no while it recovers."""
        try:
            db = await asyncpg.connect(self.url, timeout=5)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        await db.close()
        return True


def url_at(address: str) -> str:
    """The URL of the database for a client that reaches it at an address."""
    return f"postgresql://vcci@{address}/postgres"


@contextmanager
def running_postgres(folder: Path | None = None, env: Mapping[str, str] | None = None) -> Iterator[PostgresProcess]:
    """A PostgreSQL until the end of the body; without a folder, in a temporary one."""
    with ExitStack() as stack:
        if folder is None:
            folder = Path(tempfile.mkdtemp(prefix="vcci-test-"))
            stack.callback(shutil.rmtree, folder)
        folder.chmod(0o711)  # PostgreSQL runs as another user when this one is root
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        postgres = PostgresProcess(folder, port, env or {})
        postgres.initialize()
        stack.callback(postgres.stop)
        postgres.start()
        asyncio.run(until(postgres.answers, READY_S))
        yield postgres
