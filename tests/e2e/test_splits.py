"""However rows are split into batches, in whatever form, with duplicates, refusals, lost connections and rival writers
in between: each row is stored once, with the bits of one calculation of the whole, and totals are exact.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import Enum
from itertools import cycle
from typing import Any

import grpc
import grpc.aio
import pytest
from google.type.date_pb2 import Date
from hypothesis import given, settings
from hypothesis import strategies as st
from vcci.columns import checksum
from vcci.v1 import upload_service_pb2 as pb
from vcci.v1.activity_pb2 import Activity, ActivityColumns, ActivityRows, Category, InputColumn, Method, Quality
from vcci.v1.error_pb2 import ERROR_REASON_CHECKSUM_MISMATCH, ERROR_REASON_OFFSET_MISMATCH
from vcci.v1.upload_pb2 import Upload
from vcci_engine.activities import Activities
from vcci_engine.factors import FactorTable
from vcci_server.storage.embedded import embedded_database
from vcci_server.storage.factors import load_table
from vcci_server.storage.pool import open_pool

from tests.emission_tables import calculated, streamed, told, ug_co2e
from tests.engine.samples import Row, batch, day
from tests.server_process import ServerProcess, running_server
from tests.uploads import Uploads, Writer

EPOCH = date(1970, 1, 1)
SCORES = ("reliability", "completeness", "temporal", "geographical", "technological")
OTHERWISE = ("supplier_codes", "supplier_names", "supplier_countries", "inputs", "malformed")
COLUMNS = [field.name for field in ActivityColumns.DESCRIPTOR.fields if field.name not in OTHERWISE]

Supplier = tuple[str, str]  # code and country


class Form(Enum):
    """How a batch travels: as columns with suppliers of its own or with the stream's, or as a message per row."""

    COLUMNS = 0
    COLUMNS_OF_STREAM = 1
    ROWS = 2


GOOD = st.builds(
    Row,
    quantity=st.floats(0, 1e7) | st.sampled_from([0.0, 1.0, 0.1]),
    unit=st.sampled_from(["USD", "kWh", "MJ", "kg", "tonne"]),
    factor=st.sampled_from(
        ["naics:331110", "grid:electricity", "freight:sea_general_cargo", "material:steel_recycled"]
    ),
    category=st.integers(1, 15),
    period=st.integers(day("2023-11-20"), day("2025-02-10")),
    supplier=st.sampled_from(["S1", "S2", "S3", "ÄÖ"]),
    country=st.sampled_from(["", "DE", "FRA", "us"]),
    method=st.integers(0, 3),
    quality=st.sampled_from([0, 0x12345, 0x11111, 0x55555, 0x20304]),
    group=st.sampled_from(["", "plant 1", "Büro"]),
    reference=st.sampled_from(["", "INV-1", "Beleg Nr. 2"]),
    inputs=st.dictionaries(st.sampled_from(["supplier_factor", "distance", "share"]), st.floats(0, 1), max_size=2),
)
WRONG = st.builds(
    Row,
    quantity=st.sampled_from([-1.5, float("nan"), float("inf"), 1.0, 1e300]),
    unit=st.sampled_from(["USD", "bananas", ""]),
    factor=st.sampled_from(["naics:331110", "no:such", ""]),
    category=st.sampled_from([0, 1, 16]),
    period=st.sampled_from(["2024-05-01", "1989-12-31"]),
    supplier=st.sampled_from(["S1", ""]),
    country=st.sampled_from(["DE", "XX"]),
    inputs=st.dictionaries(st.sampled_from(["distance", "no_such_input"]), st.sampled_from([1.0, -1.0]), max_size=1),
)
SIZES = st.integers(1, 12)
COUNTS = st.lists(SIZES, min_size=1, max_size=5)
STEPS = st.one_of(
    st.tuples(st.just("send"), COUNTS),
    st.tuples(st.just("send_and_cut"), COUNTS),
    st.tuples(st.just("repeat"), st.tuples(st.integers(0, 60), SIZES)),
    st.tuples(st.just("overlap"), st.tuples(SIZES, SIZES)),
    st.tuples(st.just("skip"), st.tuples(SIZES, SIZES)),
    st.tuples(st.just("corrupt"), COUNTS),
    st.tuples(st.just("reopen"), st.none()),
    st.tuples(st.just("be_fenced"), SIZES),
    st.tuples(st.just("heartbeat"), st.none()),
    st.tuples(st.just("begin_suppliers_anew"), st.none()),
)


def columns_of(activities: Activities) -> ActivityColumns:
    """Return the rows as columns: the message has the engine's names."""
    suppliers = activities.suppliers
    given = {name: getattr(activities, name) for name in COLUMNS}
    given |= {
        "supplier_codes": suppliers.codes,
        "supplier_countries": [suppliers.country_of(entry) for entry in range(len(suppliers))],
    }
    inputs = [
        InputColumn(name=name, value=column.values, row=column.rows) for name, column in activities.inputs.items()
    ]
    return ActivityColumns(**{name: column for name, column in given.items() if column is not None}, inputs=inputs)


def columns_of_stream(activities: Activities, stream: Sequence[Supplier]) -> ActivityColumns:
    """Return the rows as columns that count the suppliers of a stream."""
    columns = columns_of(activities)
    suppliers = list(zip(columns.supplier_codes, columns.supplier_countries, strict=True))
    columns.supplier[:] = [stream.index(suppliers[entry]) for entry in columns.supplier]
    columns.ClearField("supplier_codes")
    columns.ClearField("supplier_countries")
    return columns


def line_of(row: Row) -> Activity:
    """Return a row as a message."""
    when = EPOCH + timedelta(days=day(row.period))
    return Activity(
        supplier_code=row.supplier,
        country=row.country,
        category=Category.ValueType(row.category),
        method=Method.ValueType(row.method),
        quantity=row.quantity,
        unit=row.unit,
        factor=row.factor,
        reporting_period=Date(year=when.year, month=when.month, day=when.day),
        quality=Quality(**{name: row.quality >> 16 - 4 * place & 15 for place, name in enumerate(SCORES)}),
        group=row.group,
        reference=row.reference,
        inputs=row.inputs,
    )


@dataclass
class Script:
    """Writes the rows of one upload as the steps say; `offset` is how many the server has acknowledged."""

    uploads: Uploads
    name: str
    rows: Sequence[Row]
    forms: Iterator[Form]
    writer: Writer
    suppliers: list[Supplier] = field(default_factory=list)  # of the stream
    offset: int = 0

    def append(self, start: int, stop: int) -> pb.AppendBatch:
        """Return a batch in the next form."""
        rows = self.rows[start:stop]
        form = next(self.forms)
        if form is Form.ROWS:
            return pb.AppendBatch(offset=start, rows=ActivityRows(activities=map(line_of, rows)))
        of_stream = form is Form.COLUMNS_OF_STREAM
        columns = columns_of_stream(batch(*rows), self.suppliers) if of_stream else columns_of(batch(*rows))
        return pb.AppendBatch(offset=start, columns=columns, crc32c=checksum(columns))

    def following(self, counts: Sequence[int]) -> list[pb.AppendBatch]:
        """Return the next batches, as far as there are rows."""
        appends, start = [], self.offset
        for count in counts:
            stop = min(start + count, len(self.rows))
            if start < stop:
                appends.append(self.append(start, stop))
            start = stop
        return appends

    async def send(self, counts: Sequence[int]) -> None:
        """Send the next batches in one window."""
        if appends := self.following(counts):
            for append in appends:
                await self.writer.send(append)
            answers: list[Any] = [await self.writer.answer() for _ in appends]
            assert [(type(answer), answer.offset) for answer in answers] == [
                (pb.BatchAck, append.offset) for append in appends
            ]
            self.offset = answers[-1].committed_through

    async def send_and_cut(self, counts: Sequence[int]) -> None:
        """Send the next batches and lose the connection: what became of them is seen when the upload is opened."""
        for append in self.following(counts):
            await self.writer.send(append)
        self.writer.cut()
        await self.open()

    async def open(self) -> None:
        self.writer = self.uploads.stream()
        opened = await self.writer.open(self.name)
        assert opened.committed_through >= self.offset, "nothing acknowledged is lost"
        self.offset = opened.committed_through
        await self.begin_suppliers_anew(None)

    async def begin_suppliers_anew(self, _: None) -> None:
        """Give the stream the suppliers of all rows, in another order than before and in two parts."""
        self.suppliers = self.suppliers[::-1] or list({(row.supplier, row.country): None for row in self.rows})
        half = len(self.suppliers) // 2
        for start, part in ((0, self.suppliers[:half]), (half, self.suppliers[half:])):
            message = pb.AddSuppliers(
                first=start,
                codes=[code for code, _ in part],
                countries=[country for _, country in part],
                country=range(len(part)),
            )
            message.crc32c = checksum(message)
            await self.writer.send(pb.AppendActivitiesRequest(suppliers=message))

    async def reopen(self, _: None) -> None:
        assert await self.writer.end() == []
        await self.open()

    async def repeat(self, place: tuple[int, int]) -> None:
        """Send rows that the server has, however they were split before."""
        start = place[0] % self.offset if self.offset else 0
        if stop := min(start + place[1], self.offset):
            ack = await self.writer.ask(self.append(start, stop))
            assert (ack.duplicate, ack.committed_through) == (True, self.offset)

    async def overlap(self, sizes: tuple[int, int]) -> None:
        """Send rows of which the server has some."""
        start, stop = max(self.offset - sizes[0], 0), min(self.offset + sizes[1], len(self.rows))
        if start < self.offset < stop:
            await self.is_refused(self.append(start, stop))

    async def skip(self, sizes: tuple[int, int]) -> None:
        """Send rows that are not the next ones."""
        start = self.offset + sizes[0]
        if self.rows[start:]:
            await self.is_refused(self.append(start, min(start + sizes[1], len(self.rows))))

    async def is_refused(self, append: pb.AppendBatch) -> None:
        refusal = await self.writer.ask(append)
        assert (refusal.reason, refusal.expected_offset) == (ERROR_REASON_OFFSET_MISMATCH, self.offset)

    async def corrupt(self, counts: Sequence[int]) -> None:
        """Send the next batches in one window, the first one of them with a wrong checksum."""
        if appends := self.following(counts):
            rows = self.rows[self.offset : appends[1].offset if appends[1:] else self.offset + counts[0]]
            columns = columns_of(batch(*rows))
            first = pb.AppendBatch(offset=self.offset, columns=columns, crc32c=checksum(columns) ^ 1)
            for append in (first, *appends[1:]):
                await self.writer.send(append)
            refusals: list[Any] = [await self.writer.answer() for _ in appends]
            reasons = [ERROR_REASON_CHECKSUM_MISMATCH, *[ERROR_REASON_OFFSET_MISMATCH] * len(appends[1:])]
            assert [refusal.reason for refusal in refusals] == reasons
            assert {refusal.expected_offset for refusal in refusals} == {self.offset}

    async def be_fenced(self, rows: int) -> None:
        """Go on as another writer; the old one is refused and stores nothing."""
        old = self.writer
        await self.open()
        for append in self.following([rows]) or [pb.AppendBatch()]:
            await old.send(append)
        assert (await old.failure()).code is grpc.StatusCode.ABORTED

    async def heartbeat(self, _: None) -> None:
        ack = await self.writer.ask(pb.AppendBatch(offset=self.offset))
        assert (ack.received_through, ack.committed_through) == (self.offset, self.offset)

    async def finish(self) -> Upload:
        """Send what is left, and finalize."""
        await self.send([len(self.rows)])
        assert await self.writer.end() == []
        return await self.uploads.finalize(self.name, len(self.rows))


class Service:
    """A running server, and the factors that it calculates with."""

    def __init__(self, process: ServerProcess) -> None:
        self.process = process
        self.factors = asyncio.run(_factors(process))


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running_server() as process:
        yield Service(process)


async def _factors(process: ServerProcess) -> FactorTable:
    async with embedded_database(process.state_dir) as url, open_pool(url, size=1) as pool:
        return await load_table(pool, 1)


async def _check(service: Service, rows: list[Row], steps: list[Any], forms: list[Form]) -> None:
    async with service.process.channel() as channel:
        uploads = Uploads(channel, service.process.metadata())
        name = await uploads.create()
        script = Script(uploads, name, rows, cycle(forms), uploads.stream())
        await script.open()
        for step, argument in steps:
            await getattr(script, step)(argument)
        upload = await script.finish()
        table, errors = calculated(batch(*rows), service.factors)
        assert streamed(await uploads.pages(name)) == table
        assert told(await uploads.row_errors(name)) == errors
        total = await uploads.total(name)
        assert (upload.accepted_rows, upload.rejected_rows) == (len(table["row"]), len(errors))
        assert (total.rows, total.estimate.kg_co2e) == (len(table["row"]), ug_co2e(table) / 10**9)
        assert upload.kg_co2e == total.estimate.kg_co2e


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@settings(max_examples=40, deadline=None, print_blob=True)
@given(
    rows=st.lists(st.one_of(GOOD, GOOD, GOOD, WRONG), min_size=1, max_size=60),
    steps=st.lists(STEPS, max_size=10),
    forms=st.lists(st.sampled_from(Form), min_size=1, max_size=16),
)
def test_any_split_and_any_interleaving_stores_each_row_once(
    service: Service, rows: list[Row], steps: list[Any], forms: list[Form]
) -> None:
    asyncio.run(_check(service, rows, steps, forms))
