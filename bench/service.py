"""The service under test: a server process of its own on a database of its own, and what a client makes of it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from vcci_client import AsyncClient
from vcci_client.encode import Form

from bench.database import Database
from bench.dataset import Order
from bench.load import Metadata
from bench.processes import CpuMeter
from bench.sizes import Sizes
from bench.uploader import Job, Uploaded
from tests.server_process import running_server
from tests.waiting import until

SETTLED = """
    SELECT NOT EXISTS (SELECT FROM uploads WHERE state = 'finalized' AND NOT merged)
        AND NOT EXISTS (SELECT FROM supplier_figure_changes)
"""
SETTLE_S = 600.0


@dataclass(frozen=True, slots=True)
class Service:
    """A running server."""

    address: str
    token: str
    process: psutil.Process
    postgres: psutil.Process
    database: Database

    @property
    def metadata(self) -> Metadata:
        """The metadata of a call."""
        return (("authorization", f"Bearer {self.token}"),)

    def client(self) -> AsyncClient:
        """Return a client, to be entered."""
        return AsyncClient(self.address, self.token)

    def upload(
        self,
        sizes: Sizes,
        batches_per_stream: int,
        streams: int = 1,
        order: Order = Order.NONE,
        form: Form = Form.COLUMNS,
    ) -> Uploaded:
        """Let a client in another process upload; raise when a row was lost or rejected."""
        pids = {"server": self.process.pid, "postgres": self.postgres.pid}
        job = Job(asdict(sizes), order, form, batches_per_stream, streams, pids)
        environment = {**os.environ, "VCCI_SERVER": self.address, "VCCI_TOKEN": self.token}
        command = [sys.executable, "-m", "bench.uploader", json.dumps(asdict(job))]
        client = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        uploaded = Uploaded(**json.loads(client.stdout))
        if (uploaded.rows, uploaded.rejected) != (batches_per_stream * streams * sizes.batch_rows, 0):
            raise AssertionError(f"not every row was stored: {uploaded}")
        return uploaded

    def settle(self) -> float:
        """Wait until everything uploaded is folded, merged and in the suppliers' figures; return the CPU seconds."""
        meter = CpuMeter({"server": self.process, "postgres": self.postgres})
        self.database.run(lambda connection: until(lambda: connection.fetchval(SETTLED), SETTLE_S))
        return sum(meter.read().values())


@contextmanager
def running_service(folder: Path, postgres: Database, args: Sequence[str] = ()) -> Iterator[Service]:
    """A server until the end of the body, on a new database of `postgres`."""
    database = postgres.create(f"service_{folder.name}")
    environment = {"VCCI_DATABASE_URL": database.url, "VCCI_MIGRATE": "yes", "VCCI_QUOTA_CALLS_PER_S": "0"}
    with running_server(folder, env=environment, args=args) as server:
        yield Service(server.listening, server.token(), psutil.Process(server.pid), postgres.postmaster(), database)
