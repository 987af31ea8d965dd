"""Durable ingest, against what the database takes at most, and against what other engineers might build on it."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
from vcci_client.activities import Activities

from bench import dataset, stack_inputs
from bench.database import Database
from bench.dataset import Order
from bench.guide_table import GuideTable
from bench.harness import Figures, Harness, Turn
from bench.peers import Peers
from bench.prepared import Batch, prepare, starter_table
from bench.service import Service
from bench.sizes import Sizes
from bench.stack import STACKS, Running, create_tables, running

GUIDE = "COPY into the guide's table"
ROWS_RATIO, SEGMENTS_RATIO, FLATNESS = 3.0, 0.7, 0.9
GUIDE_RATIO, GUIDE_ROWS = 25.0, 5_000_000


@pytest.mark.parametrize("order", list(Order))
def test_ingest(
    harness: Harness, service: Service, postgres: Database, sizes: Sizes, tmp_path: Path, order: Order
) -> None:
    """How many activities per second become durable emissions: a client in another process, packed columns over gRPC,
    checked, calculated, committed? And how does that compare with the same emissions by bare COPY, as rows without an
    index and as segments? By supplier also with bare COPY into the tuning guide's table, and with whole programs that
    others might build?
    """

    def ingest() -> Figures:
        service.database.checkpoint()
        uploaded = service.upload(sizes, sizes.batches_per_stream, sizes.streams, order)
        background = service.settle()
        rows = uploaded.rows
        return {
            "rows/s": rows / uploaded.seconds,
            "last tenth / first": uploaded.flatness,
            **uploaded.per_million(),
            "folding and merging later, CPU-s/M": background / rows * 1e6,
        }

    factors = starter_table()
    activities = dataset.batches(sizes, order=order)
    batches = [prepare(batch, factors) for batch in activities]
    peers = Peers(postgres.create(f"peers_{order.name.lower()}"), batches, sizes)
    contenders: dict[str, Turn] = {
        "service": ingest,
        "COPY of rows": peers.copy_rows,
        "COPY of segments": peers.copy_segments,
    }
    with ExitStack() as opened:
        stacks: list[Running] = []
        if order is Order.BY_SUPPLIER:
            contenders[GUIDE] = _guide(postgres, batches, sizes)
            stacks = opened.enter_context(_stacks(harness, postgres, activities, sizes, tmp_path))
        servers: dict[str, psutil.Process] = {"service": service.process}
        servers |= {of.stack.name: of.processes["server"] for of in stacks if of.stack.server}
        harness.take_turns({**contenders, **{of.stack.name: of.turn for of in stacks}}, servers)
    harness.ratio("rows/s", "service", "COPY of rows", at_least=ROWS_RATIO)
    harness.ratio("rows/s", "service", "COPY of segments", at_least=SEGMENTS_RATIO)
    harness.bound("last tenth / first", "service", at_least=FLATNESS)
    if GUIDE in contenders:
        required = GUIDE_RATIO if sizes.guide_rows >= GUIDE_ROWS else None  # with fewer rows it is faster
        harness.ratio("rows/s", "service", GUIDE, at_least=required)
    for of in stacks:
        harness.ratio("rows/s", "service", of.stack.name)


def _guide(postgres: Database, batches: Sequence[Batch], sizes: Sizes) -> Turn:
    return GuideTable(postgres.create("guide"), batches, sizes).copy


@contextmanager
def _stacks(
    harness: Harness, postgres: Database, activities: Sequence[Activities], sizes: Sizes, folder: Path
) -> Iterator[list[Running]]:
    """The peers that have an environment; the others are noted as left out."""
    files = stack_inputs.write(folder, activities[: max(1, sizes.peer_rows // sizes.batch_rows)], sizes)
    database = postgres.create("stacks")
    database.run(lambda connection: create_tables(connection, sizes.quarters))
    with ExitStack() as opened:
        for stack in STACKS:
            if not stack.installed:
                harness.leave_out(stack.name, "it has no environment; `make bench-peers` makes it")
        yield [opened.enter_context(running(stack, database, files)) for stack in STACKS if stack.installed]
