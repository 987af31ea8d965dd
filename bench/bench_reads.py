"""Reading, with all suppliers and `read_rows` emissions in the store, against the raw database."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import uvloop
from vcci.v1 import emission_service_pb2 as pb
from vcci.v1 import hotspot_service_pb2, report_service_pb2
from vcci.v1.emission_pb2 import EmissionFilter
from vcci_client import AsyncClient
from vcci_server.storage.pool import Connection

from bench.database import Database
from bench.dataset import FIRST_YEAR
from bench.harness import Figures, Harness, Servers, Turn
from bench.service import Service, running_service
from bench.sizes import Sizes
from bench.store import RowTable, fill

Call = Callable[[AsyncClient], Awaitable[object]]

SMALL_ROWS = 100_000
LIST_MS, DASHBOARD_MS, SUPPLIER_MS = 10.0, 20.0, 10.0
DASHBOARD_GROWTH = 1.5
STREAM_RATIO = 3.0
AGGREGATE_S, PARETO_S, REPORT_S, LARGE_REPORT_S = 1.0, 0.3, 2.0, 10.0
PAGE = 100
ASKED = [
    getattr(pb, f"EMISSION_COLUMN_{name.upper()}")
    for name in ("supplier", "category", "method", "period", "quantity", "factor", "quality", "kg_co2e", "gsd2")
]
GROUPINGS = ("", "category", "month", "year", "method_tier", "factor", "source", "supplier", "country")
PAIRS = ("category,country", "year,country", "supplier,category", "supplier,year", "supplier,method_tier")


@dataclass(frozen=True, slots=True)
class Stores:
    """Services with all rows and with few, and all rows in a table."""

    large: Service
    small: Service
    rows: RowTable

    def servers(self, contenders: Iterable[str]) -> Servers:
        """Return the server with all rows for each of the contenders."""
        return dict.fromkeys(contenders, self.large.process)


@pytest.fixture(scope="module")
def stores(filled: Service, folder: Path, postgres: Database, sizes: Sizes) -> Iterator[Stores]:
    table = RowTable.filled(postgres.create("rows_to_read"), sizes, sizes.read_rows)
    few = folder / "few"
    few.mkdir()
    with running_service(few, postgres) as small:
        fill(small, sizes, min(SMALL_ROWS, sizes.read_rows))
        yield Stores(filled, small, table)


def test_supplier_lists(harness: Harness, stores: Stores, sizes: Sizes) -> None:
    """How long does a page of 100 suppliers take, page after page, in each order, filtered and searched, against the
    raw database's page by the primary key?
    """

    def pages(text: str = "", *, order_by: str = "", search: str = "") -> Turn:
        async def again_and_again(client: AsyncClient) -> AsyncIterator[object]:
            while True:
                async for page in client.list_supplier_pages(text, order_by=order_by, search=search, page_size=PAGE):
                    yield page

        async def walk(client: AsyncClient) -> list[float]:
            found = again_and_again(client)
            return await _calls(lambda _: anext(found), sizes.read_calls)(client)

        return _turn(stores.large, walk)

    ours = {
        "by code": pages(),
        "by name": pages(order_by="display_name"),
        "by emissions": pages(order_by="kg_co2e desc"),
        "by intensity": pages(order_by="carbon_intensity desc"),
        "filtered": pages("country = DE AND kg_co2e > 1000"),
        "filtered, by emissions": pages("industry = 33* AND data_quality < 3.5", order_by="kg_co2e desc"),
        "search": pages(search="nothern stel works"),
    }
    sql = "SELECT * FROM suppliers WHERE tenant_id = 1 AND code > $1 ORDER BY code LIMIT $2"

    async def page(connection: Connection, number: int) -> None:
        await connection.fetch(sql, f"S{number * PAGE % sizes.suppliers:06}", PAGE)

    harness.take_turns(
        {**ours, "SQL, by code": _sql(stores.large.database, page, sizes.read_calls)}, stores.servers(ours)
    )
    for name in ours:
        harness.bound("p95 ms", name, at_most=LIST_MS)


def test_dashboard(harness: Harness, stores: Stores, sizes: Sizes) -> None:
    """How long does the dashboard take, as often as it is asked for, of all rows and of 100,000? And after a small
    upload: before it is folded, and made anew behind the fold?
    """

    def dashboards(service: Service) -> Turn:
        return _turn(service, _calls(lambda client: client.get_dashboard(), sizes.read_calls))

    years = count()

    async def other_year(client: AsyncClient) -> None:
        year = FIRST_YEAR + next(years) % max(1, sizes.quarters // 4)
        await client.get_dashboard((date(year, 1, 1), date(year + 1, 1, 1)))

    def after(settled: bool) -> Turn:
        def turn() -> Figures:
            latencies = []
            for _ in range(sizes.read_folds):
                stores.large.upload(replace(sizes, batch_rows=1_000, distinct_batches=1), 1)
                if settled:
                    stores.large.settle()
                latencies.append(_run(stores.large, _calls(other_year, 1))[0])
                stores.large.settle()
            return _percentiles(latencies)

        return turn

    contenders = {
        "all rows": dashboards(stores.large),
        "100,000 rows": dashboards(stores.small),
        "right after a commit": after(settled=False),
        "right after a fold": after(settled=True),
    }
    harness.take_turns(contenders, {**stores.servers(contenders), "100,000 rows": stores.small.process})
    for name in ("all rows", "right after a commit", "right after a fold"):
        harness.bound("p95 ms", name, at_most=DASHBOARD_MS)
    harness.ratio("p95 ms", "all rows", "100,000 rows", at_most=DASHBOARD_GROWTH)


def test_one_supplier(harness: Harness, stores: Stores, sizes: Sizes) -> None:
    """How long does it take until all emissions of one supplier have come, and what they are by year, against SQL on
    rows with a btree?
    """
    numbers = count()

    async def stream(client: AsyncClient) -> None:
        async for _ in client.stream_emissions(_of(next(numbers), sizes), ASKED):
            pass

    async def years(client: AsyncClient) -> None:
        await client.aggregate_emissions([pb.DIMENSION_YEAR], emission_filter=_of(next(numbers), sizes))

    sql = "SELECT * FROM emission_rows WHERE supplier = $1"

    async def fetch(connection: Connection, number: int) -> None:
        await connection.fetch(sql, _drawn(number, sizes) + 1)

    ours = {
        "its emissions": _turn(stores.large, _calls(stream, sizes.read_calls)),
        "its sums by year": _turn(stores.large, _calls(years, sizes.read_calls)),
    }
    harness.take_turns({**ours, "SQL": _sql(stores.rows.database, fetch, sizes.read_calls)}, stores.servers(ours))
    harness.bound("p95 ms", "its emissions", at_most=SUPPLIER_MS)
    harness.bound("p95 ms", "its sums by year", at_most=SUPPLIER_MS)


def test_stream(harness: Harness, stores: Stores, sizes: Sizes) -> None:
    """How many rows per second does StreamEmissions bring into NumPy, ten columns of all rows, against binary COPY from
    a table of the same rows?
    """

    async def stream(client: AsyncClient) -> list[float]:
        rows = 0
        async for arrays in client.stream_emissions(columns=ASKED):
            rows += arrays.rows
        return [float(rows)]

    def ours() -> Figures:
        begin = time.perf_counter()
        [rows] = _run(stores.large, stream)
        return {"rows/s": rows / (time.perf_counter() - begin)}

    def theirs() -> Figures:
        begin = time.perf_counter()
        rows = stores.rows.copy_out()
        return {"rows/s": rows / (time.perf_counter() - begin)}

    harness.take_turns({"StreamEmissions": ours, "COPY TO STDOUT": theirs}, stores.servers(["StreamEmissions"]))
    harness.ratio("rows/s", "StreamEmissions", "COPY TO STDOUT", at_least=STREAM_RATIO)


def test_aggregates(harness: Harness, stores: Stores) -> None:
    """How long do sums with their intervals take, over all rows, by one and two dimensions, and of a range of days that
    is no whole month, against SQL's sum by supplier?
    """
    days = EmissionFilter()
    days.period_start.year, days.period_start.month, days.period_start.day = FIRST_YEAR, 1, 2

    def sums(names: str, chosen: EmissionFilter | None = None) -> Turn:
        by = [getattr(pb, f"DIMENSION_{name.upper()}") for name in names.split(",") if name]
        return _once(stores.large, lambda client: client.aggregate_emissions(by, emission_filter=chosen))

    ours = {f"by {names or 'nothing'}": sums(names) for names in (*GROUPINGS, *PAIRS)}
    ours |= {"of days, by category": sums("category", days), "of days, by supplier": sums("supplier", days)}
    harness.take_turns({**ours, "SQL, by supplier": _seconds(stores.rows.sum_by_supplier)}, stores.servers(ours))
    for name in ours:
        harness.bound("s", name, at_most=AGGREGATE_S)


def test_pareto(harness: Harness, stores: Stores) -> None:
    """How long does the Pareto analysis of all suppliers take?"""

    async def pareto(client: AsyncClient) -> None:
        await client.analyze_hotspots(analyses=[hotspot_service_pb2.HOTSPOT_ANALYSIS_PARETO])

    harness.take_turns({"Pareto": _once(stores.large, pareto)}, stores.servers(["Pareto"]))
    harness.bound("s", "Pareto", at_most=PARETO_S)


def test_reports(harness: Harness, stores: Stores, sizes: Sizes) -> None:
    """How long does a report as PDF take that lists 1,000 suppliers, and more?"""

    def report(suppliers: int) -> Turn:
        async def make(client: AsyncClient) -> None:
            await client.generate_report(report_service_pb2.REPORT_FORMAT_PDF, supplier_limit=suppliers)

        return _once(stores.large, make)

    contenders = {f"{number:,} suppliers": report(number) for number in sorted({1_000, sizes.report_suppliers})}
    harness.take_turns(contenders, stores.servers(contenders))
    for name in contenders:
        harness.bound("s", name, at_most=REPORT_S if name == "1,000 suppliers" else LARGE_REPORT_S)


def _of(number: int, sizes: Sizes) -> EmissionFilter:
    return EmissionFilter(supplier_codes=[f"S{_drawn(number, sizes):06}"])


def _drawn(number: int, sizes: Sizes) -> int:
    """Return the number of a supplier, another one each time."""
    return number * 7_919 % sizes.suppliers


def _run(service: Service, work: Callable[[AsyncClient], Awaitable[list[float]]]) -> list[float]:
    async def run() -> list[float]:
        async with service.client() as client:
            return await work(client)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


def _calls(call: Call, calls: int) -> Callable[[AsyncClient], Awaitable[list[float]]]:
    """Return how to call again and again; the seconds of each, but of a first one that connects."""

    async def work(client: AsyncClient) -> list[float]:
        await client.get_supplier("suppliers/S000000")
        latencies = []
        for _ in range(calls):
            begin = time.perf_counter()
            await call(client)
            latencies.append(time.perf_counter() - begin)
        return latencies

    return work


def _turn(service: Service, work: Callable[[AsyncClient], Awaitable[list[float]]]) -> Turn:
    return lambda: _percentiles(_run(service, work))


def _sql(database: Database, call: Callable[[Connection, int], Awaitable[None]], calls: int) -> Turn:
    async def work(connection: Connection) -> list[float]:
        latencies = []
        for number in range(calls):
            begin = time.perf_counter()
            await call(connection, number)
            latencies.append(time.perf_counter() - begin)
        return latencies

    return lambda: _percentiles(database.run(work))


def _percentiles(latencies_s: list[float]) -> Figures:
    p50, p95 = np.percentile(latencies_s, (50, 95), method="higher") * 1e3
    return {"p50 ms": float(p50), "p95 ms": float(p95)}


def _once(service: Service, call: Call) -> Turn:
    return lambda: {"s": _run(service, _calls(call, 1))[0]}


def _seconds(work: Callable[[], object]) -> Turn:
    def turn() -> Figures:
        begin = time.perf_counter()
        work()
        return {"s": time.perf_counter() - begin}

    return turn
