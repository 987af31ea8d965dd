"""One upload by the client library through whatever happens meanwhile, and the check of what came of it."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TypeAlias
from uuid import uuid4

import asyncpg
import numpy as np
from vcci_client import AsyncClient
from vcci_client import activities as client
from vcci_client.appender import Progress
from vcci_client.encode import Form
from vcci_client.upload import UploadOptions, UploadSummary
from vcci_engine.activities import Activities
from vcci_engine.factors import FactorTable
from vcci_engine.suppliers import Suppliers
from vcci_server.storage.agreement import check_agreement
from vcci_server.storage.embedded import embedded_database
from vcci_server.storage.factors import load_table
from vcci_server.storage.pool import open_pool

from tests.chaos.history import Store, faults
from tests.emission_tables import Error, Table, calculated, streamed, told
from tests.server_process import ServerProcess
from tests.uploads import Uploads
from tests.waiting import until

PATIENCE_S = 120.0
FOLDED_S = 60.0
FACTORS = ("naics:331110", "grid:electricity", "no:such")
UNITS = ("USD", "kWh")
FIRST_DAY, DAYS = 19_358, 730  # eight quarters from 2023-01-01

LEDGER = "SELECT committed_rows, accepted_rows AS rows, ug_co2e FROM uploads WHERE upload_id = $1"
SEGMENTS = """
SELECT coalesce(sum(n), 0) AS rows, coalesce(sum(ug_co2e), 0) AS ug_co2e
FROM emission_segments WHERE upload_id = $1 AND merged_into IS NULL
"""
# What the rollups have beyond the other uploads.
ROLLUPS = """
SELECT r.rows - o.rows AS rows, r.ug_co2e - o.ug_co2e AS ug_co2e
FROM (SELECT coalesce(sum(rows), 0) AS rows, coalesce(sum(ug_co2e), 0) AS ug_co2e FROM emission_rollups) AS r,
    (SELECT coalesce(sum(accepted_rows), 0) AS rows, coalesce(sum(ug_co2e), 0) AS ug_co2e
     FROM uploads WHERE upload_id <> $1) AS o
"""
FOLDED = "SELECT NOT EXISTS (SELECT FROM uploads WHERE folded_rows < committed_rows)"

Database: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@cache
def sample(rows: int) -> Activities:
    """Return activities of 200 suppliers over eight quarters, of which 1 in 50 is wrong."""
    rng = np.random.default_rng(rows)
    factor = rng.integers(0, 2, rows).astype(np.uint32)
    unit = factor.copy()
    wrong = rng.random(rows)
    factor[wrong < 0.01] = 2
    quantity = rng.lognormal(3, 2, rows)
    quantity[wrong > 0.99] = -1.0
    return Activities(
        suppliers=Suppliers.of(
            [f"S{number}" for number in range(200)], (), [("DE", "FR", "")[number % 3] for number in range(200)]
        ),
        units=UNITS,
        factors=FACTORS,
        supplier=rng.integers(0, 200, rows).astype(np.uint32),
        category=rng.integers(1, 16, rows).astype(np.uint32),
        quantity=quantity,
        unit=unit,
        period=rng.integers(FIRST_DAY, FIRST_DAY + DAYS, rows).astype(np.int32),
        factor=factor,
        references=tuple(f"INV-{number}" for number in range(rows)),
    )


def for_client(rows: Activities) -> client.Activities:
    """Return the same rows as the client library has them."""
    assert rows.factor is not None
    return client.Activities(
        supplier=client.Dictionary(rows.suppliers.codes, rows.supplier),
        category=rows.category,
        period=rows.period,
        quantity=rows.quantity,
        unit=client.Dictionary(rows.units, rows.unit),
        countries=[rows.suppliers.country_of(entry) for entry in range(len(rows.suppliers))],
        factor=client.Dictionary(rows.factors, rows.factor),
        references=rows.references,
    )


@asynccontextmanager
async def database_of(server: ServerProcess) -> AsyncIterator[Database]:
    """A server's database, whether the server lives or not."""
    async with _url_of(server) as url:
        db = await asyncpg.connect(url)
        try:
            yield db
        finally:
            await db.close()


@asynccontextmanager
async def _url_of(server: ServerProcess) -> AsyncIterator[str]:
    if url := server.env.get("VCCI_DATABASE_URL"):
        yield url
        return
    async with embedded_database(server.state_dir) as url:
        yield url


async def factors_of(server: ServerProcess) -> FactorTable:
    """Return the factors that a server calculates with."""
    async with _url_of(server) as url, open_pool(url, size=1) as pool:
        return await load_table(pool, 1)


async def disagreements(server: ServerProcess) -> Sequence[str]:
    """Return which of the sums that are kept are not those of the rows."""
    async with _url_of(server) as url, open_pool(url, size=1) as pool:
        return (await check_agreement(pool, asyncio.to_thread, 1)).wrong


@dataclass
class Trial:
    """An upload of `rows` sample rows."""

    server: ServerProcess
    rows: int
    batch_rows: int
    form: Form = Form.COLUMNS
    address: str = ""  # of a proxy
    name: str = ""
    told: list[int] = field(default_factory=list)  # the durable rows that the client was told of
    problems: list[str] = field(default_factory=list)  # why it had to wait

    async def run(self) -> UploadSummary:
        """Upload, and return when everything is finalized."""
        options = UploadOptions(
            request_id=uuid4().hex, batch_rows=self.batch_rows, form=self.form, patience_s=PATIENCE_S, finalize=True
        )
        address = self.address or self.server.listening
        async with AsyncClient(address, self.server.token()) as connected:
            self.name = (await connected.create_upload(options)).name
            return await connected.upload(self._batches(), options, on_progress=self._hear)

    def _batches(self) -> Iterator[client.Activities]:
        whole = for_client(sample(self.rows))
        for start in range(0, self.rows, self.batch_rows):
            yield whole.slice(start, min(start + self.batch_rows, self.rows))

    def _hear(self, progress: Progress) -> None:
        self.told.append(progress.rows_committed)
        if progress.problem:
            self.problems.append(progress.problem)

    async def check(self, summary: UploadSummary) -> None:
        """Fail unless every promise was kept, and the client's summary says so."""
        table, errors = await self.expected()
        assert faults(self.told, await self.store(), table, errors) == []
        assert (summary.rows, summary.committed, summary.rejected) == (self.rows, len(table["row"]), len(errors))

    async def expected(self) -> tuple[Table, list[Error]]:
        """Return what all the rows come to."""
        return calculated(sample(self.rows), await factors_of(self.server))

    async def store(self) -> Store:
        """Return what the running server and its database say of the upload, once all is folded."""
        async with self.server.channel() as channel, database_of(self.server) as db:
            await until(lambda: db.fetchval(FOLDED), FOLDED_S)
            assert await disagreements(self.server) == []
            uploads = Uploads(channel, self.server.metadata())
            upload, total = await uploads.get(self.name), await uploads.total(self.name)
            sums = await sums_of(db, self.upload_id)
            assert total.rows == upload.accepted_rows
            assert total.estimate.kg_co2e == upload.kg_co2e == sums["ledger"][1] / 10**9
            return Store(
                upload.committed_through,
                upload.accepted_rows,
                upload.rejected_rows,
                streamed(await uploads.pages(self.name)),
                told(await uploads.row_errors(self.name)),
                sums,
            )

    @property
    def upload_id(self) -> int:
        """The number in the upload's name."""
        return int(self.name.rpartition("/")[2])

    async def committed_rows(self) -> int:
        """Return how far the ledger is, by the database alone; fail unless it has all of these rows and no other."""
        async with database_of(self.server) as db:
            query = f"SELECT l.committed_rows, l.rows AS accepted_rows, s.rows FROM ({LEDGER}) AS l, ({SEGMENTS}) AS s"
            found = await db.fetchrow(query, self.upload_id)
        assert found is not None
        assert found["accepted_rows"] == found["rows"]
        return int(found["committed_rows"])


async def sums_of(db: Database, upload_id: int) -> dict[str, tuple[int, int]]:
    """Return an upload's rows and micrograms CO2e by who counts them."""
    queries = {"ledger": LEDGER, "segments": SEGMENTS, "rollups": ROLLUPS}
    return {who: await _sums(db, query, upload_id) for who, query in queries.items()}


async def _sums(db: Database, query: str, upload_id: int) -> tuple[int, int]:
    found = await db.fetchrow(query, upload_id)
    assert found is not None
    return int(found["rows"]), int(found["ug_co2e"])
