"""Durable ingest, against what other engineers might build on the same PostgreSQL."""

from contextlib import ExitStack
from pathlib import Path

from vcci_server.storage.pool import Connection

from bench import dataset, stack_inputs
from bench.database import Database
from bench.dataset import Order
from bench.guide_table import FURTHER_COLUMNS, INDEXES
from bench.guide_table import TABLE as GUIDE_TABLE
from bench.harness import Figures, Harness
from bench.row_copy import create_table
from bench.service import Service
from bench.sizes import Sizes
from bench.stack import STACKS, Stack, running


def test_peers(harness: Harness, service: Service, postgres: Database, sizes: Sizes, tmp_path: Path) -> None:
    """How does durable ingest compare with whole programs that others might build: Arrow Flight with COPY, the tuning
    guide's FastAPI with SQLAlchemy, a script that calculates in NumPy and stores by COPY?
    """

    def ingest() -> Figures:
        service.database.checkpoint()
        uploaded = service.upload(sizes, sizes.batches_per_stream, sizes.streams, Order.BY_SUPPLIER)
        service.settle()
        return {"rows/s": uploaded.rows / uploaded.seconds, **uploaded.per_million()}

    number = max(1, sizes.peer_rows // sizes.batch_rows)
    batches = [dataset.batch(one, sizes, order=Order.BY_SUPPLIER) for one in range(number)]
    files = stack_inputs.write(tmp_path, batches, sizes)
    database = postgres.create("stacks")
    database.run(lambda connection: _create_tables(connection, sizes.quarters))
    with ExitStack() as opened:
        peers = {
            stack.name: opened.enter_context(running(stack, database, files))
            for stack in STACKS
            if _is_installed(stack, harness)
        }
        servers = {name: peer.processes["server"] for name, peer in peers.items() if "server" in peer.processes}
        harness.take_turns(
            {"service": ingest, **{name: peer.turn for name, peer in peers.items()}},
            {"service": service.process, **servers},
        )
    for name in peers:
        harness.ratio("rows/s", "service", name)


def _is_installed(stack: Stack, harness: Harness) -> bool:
    if not stack.installed:
        harness.leave_out(stack.name, "it has no environment; `make bench-peers` makes it")
    return stack.installed


async def _create_tables(connection: Connection, quarters: int) -> None:
    await create_table(connection, quarters)
    await create_table(connection, quarters, GUIDE_TABLE, FURTHER_COLUMNS)
    for index in INDEXES:
        await connection.execute(index)
