"""Durable ingest, against what the database takes at most."""

import pytest

from bench import dataset
from bench.database import Database
from bench.dataset import Order
from bench.guide_table import GuideTable
from bench.harness import Figures, Harness
from bench.peers import Peers
from bench.prepared import prepare, starter_table
from bench.service import Service
from bench.sizes import Sizes

FLATNESS = 0.9
GUIDE_RATIO, GUIDE_ROWS = 25.0, 5_000_000


@pytest.mark.parametrize("order", list(Order))
def test_ingest(harness: Harness, service: Service, postgres: Database, sizes: Sizes, order: Order) -> None:
    """How many activities per second become durable emissions: a client in another process, packed columns over gRPC,
    checked, calculated, committed? And how does that compare with the same emissions by bare COPY, as rows without an
    index and as segments?
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
    batches = [prepare(batch, factors) for batch in dataset.batches(sizes, order=order)]
    peers = Peers(postgres.create(f"peers_{order.name.lower()}"), batches, sizes)
    harness.take_turns(
        {"service": ingest, "COPY of rows": peers.copy_rows, "COPY of segments": peers.copy_segments},
        {"service": service.process},
    )
    harness.ratio("rows/s", "service", "COPY of rows", at_least=1.5)
    harness.ratio("rows/s", "service", "COPY of segments", at_least=0.5)
    harness.bound("last tenth / first", "service", at_least=FLATNESS)


def test_guide(harness: Harness, service: Service, postgres: Database, sizes: Sizes) -> None:
    """How does durable ingest compare with bare COPY into the table of the tuning guide, with its key and indexes and
    rows in it?
    """
    factors = starter_table()
    batches = [prepare(batch, factors) for batch in dataset.batches(sizes)]
    guide = GuideTable(postgres.create("guide"), batches, sizes)

    def ingest() -> Figures:
        service.database.checkpoint()
        uploaded = service.upload(sizes, sizes.batches_per_stream, sizes.streams)
        service.settle()
        return {"rows/s": uploaded.rows / uploaded.seconds}

    harness.take_turns({"service": ingest, "COPY into the guide's table": guide.copy}, {"service": service.process})
    required = GUIDE_RATIO if sizes.guide_rows >= GUIDE_ROWS else None  # with fewer rows it is faster
    harness.ratio("rows/s", "service", "COPY into the guide's table", at_least=required)
