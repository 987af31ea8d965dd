"""Durable ingest of small clients: a message per row."""

from vcci_client.encode import Form

from bench.dataset import Order
from bench.harness import Figures, Harness
from bench.service import Service
from bench.sizes import Sizes

REQUIRED_ROWS = 150_000  # per CPU second of server and database


def test_message_rows(harness: Harness, service: Service, sizes: Sizes) -> None:
    """How many activities per second of one core become durable emissions that come as a message per row, and what do
    such messages cost the client?
    """

    def ingest() -> Figures:
        service.database.checkpoint()
        uploaded = service.upload(
            sizes, max(1, sizes.message_rows // sizes.batch_rows), order=Order.NONE, form=Form.ROWS
        )
        service.settle()
        rows, cpu_s = uploaded.rows, uploaded.cpu_s
        return {
            "rows/s": rows / uploaded.seconds,
            "rows/CPU-s": rows / (cpu_s["server"] + cpu_s["postgres"]),
            **uploaded.per_million(),
        }

    harness.take_turns({"service": ingest}, {"service": service.process})
    harness.bound("rows/CPU-s", "service", at_least=REQUIRED_ROWS)
