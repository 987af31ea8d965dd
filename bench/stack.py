"""Peers in environments of their own: started, told when their turn is, stopped.

An environment is made by `make bench-peers`; a peer without one is left out.
"""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil
from vcci_server.storage.pool import Connection

from bench.database import Database
from bench.guide_table import FURTHER_COLUMNS, INDEXES
from bench.guide_table import TABLE as GUIDE_TABLE
from bench.harness import Figures
from bench.processes import CpuMeter
from bench.row_copy import create_table
from bench.row_format import TABLE
from bench.stack_inputs import Files
from bench.stacks.turns import Job

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = ROOT / ".venv-peers"
STOP_S = 20.0


@dataclass(frozen=True, slots=True)
class Stack:
    """A peer: modules of bench/stacks, and the table that it writes to."""

    name: str
    environment: str
    client: str
    server: str = ""  # none: the client stores the rows itself
    table: str = TABLE
    slow: bool = False  # it gets few rows

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return ENVIRONMENTS / self.environment / "bin" / "python"

    @property
    def installed(self) -> bool:
        """Whether it can be measured."""
        return (ENVIRONMENTS / self.environment / "installed").exists()


PSYCOPG = Stack("psycopg COPY by a script", "psycopg", "psycopg_script")
FLIGHT = Stack("Arrow Flight DoPut + COPY", "flight", "flight_client", "flight_server")
FASTAPI = Stack("FastAPI + SQLAlchemy", "fastapi", "fastapi_client", "fastapi_server", GUIDE_TABLE, slow=True)
STACKS = (FLIGHT, PSYCOPG, FASTAPI)


@dataclass(frozen=True, slots=True)
class Running:
    """A peer that waits for its turn."""

    stack: Stack
    database: Database
    client: "subprocess.Popen[str]"
    processes: Mapping[str, psutil.Process]  # by part; "server" where there is one

    def turn(self) -> Figures:
        """Let it upload once into the empty table; raise when a row is missing."""
        self.database.run(lambda connection: connection.execute(f"TRUNCATE {self.stack.table}"))
        self.database.checkpoint()
        meter = CpuMeter(self.processes)
        told = self._upload()
        stored = self.database.run(lambda connection: connection.fetchval(f"SELECT count(*) FROM {self.stack.table}"))
        if stored != told["rows"]:
            raise AssertionError(f"{self.stack.name}: {stored} rows are stored, told were {told}")
        return {"rows/s": told["rows"] / told["seconds"], **meter.per_million(stored)}

    def _upload(self) -> dict[str, float]:
        assert self.client.stdin is not None
        self.client.stdin.write("upload\n")
        self.client.stdin.flush()
        told: dict[str, float] = json.loads(_line(self.client))
        return told


async def create_tables(connection: Connection, quarters: int) -> None:
    """Make the tables of all peers; that of the tuning guide with its indexes."""
    await create_table(connection, quarters)
    await create_table(connection, quarters, GUIDE_TABLE, FURTHER_COLUMNS)
    for index in INDEXES:
        await connection.execute(index)


@contextmanager
def running(stack: Stack, database: Database, files: Files) -> Iterator[Running]:
    """The peer until the end of the body, with all that it needs in memory."""
    batches = files.few if stack.slow else files.batches
    job = Job(database.url, str(files.reference), [str(path) for path in batches])
    processes = {"postgres": database.postmaster()}
    with ExitStack() as opened:
        if stack.server:
            server = opened.enter_context(_process(stack, stack.server, job))
            job = replace(job, server=_line(server).strip())
            processes["server"] = psutil.Process(server.pid)
        client = opened.enter_context(_process(stack, stack.client, job))
        processes["client"] = psutil.Process(client.pid)
        _line(client)  # it is ready
        yield Running(stack, database, client, processes)


@contextmanager
def _process(stack: Stack, module: str, job: Job) -> "Iterator[subprocess.Popen[str]]":
    command = [str(stack.python), "-m", f"bench.stacks.{module}", json.dumps(asdict(job))]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(STOP_S)


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise AssertionError(f"{process.args!r} ended with {process.wait(STOP_S)}")
    return line
