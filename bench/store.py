"""A filled store to read from, and the same emissions as rows of a table in the same PostgreSQL."""

import asyncio
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from vcci.v1.supplier_service_pb2 import Supplier
from vcci_server.storage.pool import Connection

from bench import dataset
from bench.database import Database
from bench.peers import Peers
from bench.prepared import prepare, starter_table
from bench.row_format import SIGNATURE, TRAILER
from bench.service import Service
from bench.sizes import Sizes

# Words of companies' names; a first and a second one are those of a hundredth of all.
FIRST = ("Northern", "Allied", "Baltic", "Central", "Delta", "Eastern", "First", "Global", "Hanse", "Iberian")
SECOND = ("Steel", "Chemicals", "Logistics", "Packaging", "Textiles", "Energy", "Plastics", "Foods", "Glass", "Paper")
THIRD = ("Works", "Group", "Trading", "Industries", "Partners")
INDUSTRIES = ("331110", "325199", "484121", "322211", "313210", "221112", "326199", "311999", "327213", "322121")
NAMES = [" ".join(words) for words in product(FIRST, SECOND, THIRD)]
UPSERTED = 1_000


def fill(service: Service, sizes: Sizes, rows: int) -> None:
    """Upload through the API, in uploads of `read_upload_rows`, and name all suppliers; wait until all is settled."""
    asyncio.run(_name_suppliers(service, sizes.suppliers))
    batches = max(1, rows // sizes.batch_rows)
    of_upload = max(1, sizes.read_upload_rows // sizes.batch_rows)
    for start in range(0, batches, of_upload):
        service.upload(sizes, min(of_upload, batches - start))
    service.settle()
    service.database.run(lambda db: db.execute("VACUUM ANALYZE"))
    service.database.checkpoint()


async def _name_suppliers(service: Service, suppliers: int) -> None:
    async with service.client() as client:
        for start in range(0, suppliers, UPSERTED):
            numbers = range(start, min(start + UPSERTED, suppliers))
            await client.batch_upsert_suppliers(_supplier(number) for number in numbers)


def _supplier(number: int) -> Supplier:
    return Supplier(
        code=f"S{number:06}",
        display_name=f"{NAMES[number % len(NAMES)]} {number // len(NAMES)}",
        country=dataset.COUNTRIES[number % len(dataset.COUNTRIES)],
        industry=INDUSTRIES[number % len(INDUSTRIES)],
    )


# What is streamed, too: with the lengths before them, as binary COPY sends them.
TEN = {
    "supplier": ">i4",
    "category": ">i2",
    "method": ">i2",
    "period": ">i4",
    "quantity": ">f8",
    "unit": ">i2",
    "factor": ">i4",
    "quality": ">i2",
    "kg_co2e": ">f8",
    "sigma": ">f4",
}
RECORD = np.dtype(
    [("columns", ">i2"), *(field for name, kind in TEN.items() for field in ((f"{name}_n", ">i4"), (name, kind)))]
)
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class RowTable:
    """The emissions as rows, with a btree on supplier."""

    database: Database

    @classmethod
    def filled(cls, database: Database, sizes: Sizes, rows: int) -> "RowTable":
        """Store as many rows, in the same batches."""
        factors = starter_table()
        own = replace(sizes, ingest_rows=rows, streams=1)
        Peers(database, [prepare(batch, factors) for batch in dataset.batches(sizes)], own).copy_rows()
        database.run(_index)
        return cls(database)

    def copy_out(self) -> int:
        """Bring ten columns of all rows by binary COPY into arrays of NumPy; return how many rows came."""
        return self.database.run(_copy_out)

    def sum_by_supplier(self) -> None:
        """Let SQL sum all rows by supplier."""
        query = "SELECT supplier, count(*), sum(kg_co2e) FROM emission_rows GROUP BY supplier ORDER BY 3 DESC LIMIT 100"
        self.database.run(lambda db: db.fetch(query))


async def _index(connection: Connection) -> None:
    await connection.execute("CREATE INDEX ON emission_rows (supplier)")
    await connection.execute("VACUUM ANALYZE emission_rows")


async def _copy_out(connection: Connection) -> int:
    pending, rows = bytearray(), 0

    async def receive(data: bytes) -> None:
        nonlocal rows
        pending.extend(data)
        if len(pending) >= CHUNK_BYTES:
            rows += _take(pending)

    query = f"SELECT {', '.join(TEN)} FROM emission_rows"
    await connection.copy_from_query(query, output=receive, format="binary")
    return rows + _take(pending)


def _take(pending: bytearray) -> int:
    """Decode the whole records at the beginning, and remove them; return how many there were."""
    if pending.startswith(SIGNATURE):
        del pending[: len(SIGNATURE)]
    rows = (len(pending) - len(TRAILER)) // RECORD.itemsize
    records = np.frombuffer(bytes(memoryview(pending)[: rows * RECORD.itemsize]), RECORD)
    for name, kind in TEN.items():
        records[name].astype(kind.replace(">", "<"))
    del pending[: rows * RECORD.itemsize]
    return rows
