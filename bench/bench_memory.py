"""The server's memory during a long upload."""

from bench.harness import Figures, Harness
from bench.processes import MemoryCurve
from bench.service import Service
from bench.sizes import Sizes

MOST_GROWTH_MB = 200.0


def test_memory(harness: Harness, service: Service, sizes: Sizes) -> None:
    """How much does the server's memory grow during one long upload, after an upload that warmed it up?"""
    service.upload(sizes, sizes.memory_warmup_rows // sizes.batch_rows)
    service.settle()
    curve = MemoryCurve(service.process)

    def upload() -> Figures:
        with curve:
            uploaded = service.upload(sizes, sizes.memory_rows // sizes.batch_rows)
        return {"rows/s": uploaded.rows / uploaded.seconds, "growth MB": curve.growth_bytes / 1e6}

    harness.once({"service": upload}, {"service": service.process})
    harness.result("growth MB", [curve.growth_bytes / 1e6], at_most=MOST_GROWTH_MB)
    harness.curve("Resident MB", [sample / 1e6 for sample in curve.bytes])
