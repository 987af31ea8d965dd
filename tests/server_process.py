"""The service as a process of its own, on ports and in a folder of its own: what tests start, stop and kill."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

import asyncpg
import grpc
import grpc.aio
from vcci.v1.factor_service_pb2 import FACTOR_FORMAT_STARTER, FactorSetSpec
from vcci.v1.price_service_pb2 import PRICE_FORMAT_STARTER, PriceSetSpec
from vcci_client import AsyncClient
from vcci_server.auth import Role, load_secret, make_token
from vcci_server.storage.embedded import embedded_database

STOP_S = 60.0
SERVER = ("-m", "vcci_server")
STARTER_FACTORS = FactorSetSpec(display_name="Starter set", format=FACTOR_FORMAT_STARTER, activate=True)
STARTER_PRICES = PriceSetSpec(display_name="Starter set", format=PRICE_FORMAT_STARTER, activate=True)


@dataclass(slots=True)
class ServerProcess:
    """A server on `state_dir` that can be started, stopped and killed again and again; it keeps its port."""

    state_dir: Path
    env: Mapping[str, str] = field(default_factory=dict)
    args: Sequence[str] = ()
    listening: str = "127.0.0.1:0"
    metrics: str = ""
    program: Sequence[str] = SERVER  # what Python runs
    tenant: str = "default"  # that tokens are of
    process: "subprocess.Popen[str] | None" = None

    @property
    def pid(self) -> int:
        """The process id."""
        assert self.process is not None
        return self.process.pid

    def token(self, tenant: str = "", subject: str = "test", *, roles: Sequence[Role] = (Role.ADMIN,)) -> str:
        """A token that the server takes."""
        return make_token(load_secret(self.state_dir), tenant or self.tenant, subject, 3_600, roles)

    def metadata(self, tenant: str = "") -> list[tuple[str, str]]:
        """The metadata of a call."""
        return [("authorization", f"Bearer {self.token(tenant)}")]

    def channel(self) -> grpc.aio.Channel:
        """A channel to the server, for whatever event loop runs."""
        return grpc.aio.insecure_channel(self.listening)

    @asynccontextmanager
    async def database(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """Its database, embedded or external, as the owner of all tables."""
        async with AsyncExitStack() as stack:
            external = self.env.get("VCCI_DATABASE_URL")
            url = external or await stack.enter_async_context(embedded_database(self.state_dir))
            db = await asyncpg.connect(url)
            try:
                yield db
            finally:
                await db.close()

    async def new_tenant(self) -> str:
        """Make a tenant and return its name."""
        name = uuid4().hex
        async with self.database() as db:
            await db.execute("INSERT INTO tenants (name) VALUES ($1)", name)
        return name

    def for_own_tenant(self) -> "ServerProcess":
        """Return the same server for another tenant, made like the default one: with starter factors and prices."""
        return replace(self, tenant=asyncio.run(self._furnished_tenant()))

    async def _furnished_tenant(self) -> str:
        tenant = await self.new_tenant()
        async with AsyncClient(self.listening, self.token(tenant)) as client:
            await client.import_factor_set(STARTER_FACTORS)
            await client.import_price_set(STARTER_PRICES)
        return tenant

    def start(self) -> None:
        """Start, and return when it serves."""
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                self._command(), stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, **self.env}
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.ended()
            raise AssertionError(f"the server did not start:\n{self.log.read_text()[-4_000:]}")
        where = json.loads(line)
        self.listening, self.metrics = where["listening"], where["metrics"]

    def run_to_end(self, *args: str) -> "subprocess.CompletedProcess[str]":
        """Run one that is expected to fail, with further flags; return its status and what it wrote."""
        env = {**os.environ, **self.env}
        command = [*self._command(), *args]
        return subprocess.run(command, capture_output=True, text=True, env=env, timeout=STOP_S, check=False)

    def terminate(self, timeout_s: float = STOP_S) -> int:
        """Send SIGTERM; return the exit status when it has ended."""
        assert self.process is not None
        self.process.terminate()
        return self.ended(timeout_s)

    def kill(self) -> None:
        """Send SIGKILL; return when it has ended."""
        assert self.process is not None
        self.process.kill()
        self.ended()

    def ended(self, timeout_s: float = STOP_S) -> int:
        """Return the exit status when it has ended, by a signal or by itself."""
        assert self.process is not None
        with self.process as process:
            status = process.wait(timeout_s)
        self.process = None
        return status

    @property
    def log(self) -> Path:
        """What it wrote to stderr, of all its runs."""
        return self.state_dir / "server.log"

    def _command(self) -> list[str]:
        command = [sys.executable, *self.program, "serve", "--state-dir", str(self.state_dir)]
        return [*command, "--listen", self.listening, "--metrics-listen", "127.0.0.1:0", *self.args]


@contextmanager
def running_server(
    state_dir: Path | None = None,
    *,
    env: Mapping[str, str] | None = None,
    args: Sequence[str] = (),
    program: Sequence[str] = SERVER,
    listening: str = "127.0.0.1:0",
) -> Iterator[ServerProcess]:
    """Serve until the end of the body; without a state folder, in a temporary one.

    Afterwards the server must stop at a SIGTERM, unless the body has ended it. A folder that is given stays.
    """
    folder = state_dir or Path(tempfile.mkdtemp(prefix="vcci-test-"))
    folder.chmod(0o711)  # PostgreSQL runs as another user when this one is root
    server = ServerProcess(folder, env or {}, args, listening, program=program)
    try:
        server.start()
        yield server
    finally:
        status = server.terminate() if server.process is not None else 0
        if state_dir is None and status == 0:
            shutil.rmtree(folder)
    assert status == 0, f"the server ended with {status}; its log is {server.log}"
