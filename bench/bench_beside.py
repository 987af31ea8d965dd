"""Reading while an upload goes on, against reading alone; and the upload beside readers, against the upload alone."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import uvloop
from vcci.v1.emission_pb2 import EmissionFilter
from vcci_client import AsyncClient

from bench.harness import Figures, Harness
from bench.service import Service
from bench.sizes import Sizes
from bench.store import fill
from bench.uploader import Uploaded

Call = Callable[[AsyncClient, int], Awaitable[object]]

READ = ("dashboard", "list", "one supplier")
PAUSE_S = 0.05  # of each reader: readers that never pause take a core, and measure that


def test_reads_beside_ingest(harness: Harness, service: Service, sizes: Sizes) -> None:
    """How long do the dashboard, a list of 100 suppliers and one supplier's emissions take, by a reader each, alone and
    while rows are uploaded? And how fast is the upload, alone and beside them?
    """
    fill(service, sizes, sizes.read_rows)
    with ThreadPoolExecutor(1) as thread:

        def alone() -> Figures:
            return _percentiles(_read(service, sizes, lambda latencies: min(map(len, latencies)) >= sizes.read_calls))

        def beside() -> Figures:
            upload = thread.submit(_upload, service, sizes)
            latencies = _read(service, sizes, lambda latencies: upload.done() and all(latencies))
            return {**_percentiles(latencies), **_rates(service, upload)}

        def upload() -> Figures:
            return _rates(service, thread.submit(_upload, service, sizes))

        harness.take_turns({"reads alone": alone, "upload alone": upload, "both": beside})
    for name in READ:
        harness.ratio(f"{name} p95 ms", "both", "reads alone")
    harness.ratio("rows/s", "both", "upload alone")


def _upload(service: Service, sizes: Sizes) -> Uploaded:
    return service.upload(sizes, sizes.batches_per_stream, sizes.streams)


def _rates(service: Service, upload: "Future[Uploaded]") -> Figures:
    uploaded = upload.result()
    service.settle()
    return {"rows/s": uploaded.rows / uploaded.seconds, "last tenth / first": uploaded.flatness}


def _read(service: Service, sizes: Sizes, is_enough: Callable[[list[list[float]]], bool]) -> list[list[float]]:
    """Call each in turn, again and again; return the seconds of each call by what was called."""

    async def one_supplier(client: AsyncClient, number: int) -> None:
        chosen = EmissionFilter(supplier_codes=[f"S{number * 7_919 % sizes.suppliers:06}"])
        async for _ in client.stream_emissions(chosen):
            pass

    async def page(client: AsyncClient, number: int) -> None:
        await anext(aiter(client.list_supplier_pages(order_by="kg_co2e desc", page_size=100)))

    async def dashboard(client: AsyncClient, number: int) -> None:
        await client.get_dashboard()

    async def run() -> list[list[float]]:
        latencies: list[list[float]] = [[], [], []]
        async with service.client() as client:

            async def read(call: Call, into: list[float]) -> None:
                number = 0
                await call(client, number)
                while not is_enough(latencies):
                    number += 1
                    begin = time.perf_counter()
                    await call(client, number)
                    into.append(time.perf_counter() - begin)
                    await asyncio.sleep(PAUSE_S)

            calls: tuple[Call, ...] = (dashboard, page, one_supplier)
            async with asyncio.TaskGroup() as readers:
                for pair in zip(calls, latencies, strict=True):
                    readers.create_task(read(*pair))
        return latencies

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


def _percentiles(latencies: list[list[float]]) -> Figures:
    figures: dict[str, float] = {}
    for name, of in zip(READ, latencies, strict=True):
        p50, p95 = np.percentile(of, (50, 95), method="higher") * 1e3
        figures |= {f"{name} p50 ms": float(p50), f"{name} p95 ms": float(p95)}
    return figures
