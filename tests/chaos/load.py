"""Clients that upload without a pause, each for its tenant, and write down all that they are told."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from uuid import uuid4

from vcci_client import AsyncClient
from vcci_client import activities as client
from vcci_client.appender import Progress
from vcci_client.encode import Form
from vcci_client.errors import Unavailable, WriterFenced, WrongState
from vcci_client.upload import UploadOptions
from vcci_engine.activities import Activities
from vcci_engine.suppliers import Suppliers

from tests.chaos.system import System
from tests.chaos.trial import for_client, sample
from tests.waiting import passing

PATIENCE_S = 120.0


@dataclass
class Record:
    """One upload: what its writers, one after the other or side by side, were told."""

    tenant: str
    rows: int
    batch_rows: int
    form: Form
    request_id: str = field(default_factory=lambda: uuid4().hex)
    name: str = ""
    told: list[list[int]] = field(default_factory=list)  # durable rows, by writer

    @property
    def told_at_most(self) -> int:
        """The durable rows that somebody was told of."""
        return max((rows for writer in self.told for rows in writer), default=0)

    @property
    def options(self) -> UploadOptions:
        """How it is sent."""
        return UploadOptions(
            request_id=self.request_id, batch_rows=self.batch_rows, form=self.form, patience_s=PATIENCE_S
        )


def rows_of(tenant: str, rows: int) -> Activities:
    """A tenant's rows: the suppliers are its own."""
    given = sample(rows)
    codes = [f"{tenant}-{code}" for code in given.suppliers.codes]
    countries = [given.suppliers.country_of(entry) for entry in range(len(given.suppliers))]
    return replace(given, suppliers=Suppliers.of(codes, (), countries))


def batches_of(tenant: str, rows: int, batch_rows: int) -> Iterator[client.Activities]:
    """The same rows as the client library has them."""
    whole = for_client(rows_of(tenant, rows))
    for start in range(0, rows, batch_rows):
        yield whole.slice(start, min(start + batch_rows, rows))


class Load:
    """One client: an upload after the other, until it is told to stop."""

    def __init__(self, system: System, tenant: str, rows: int, batch_rows: int, form: Form) -> None:
        self.records: list[Record] = []
        self._of = (tenant, rows, batch_rows, form)
        self.progress = 0  # rows that became durable, or were found so
        self.progressed_at = time.monotonic()
        self._system = system
        self._stopping = False

    @property
    def current(self) -> Record:
        """The upload under way."""
        return self.records[-1]

    def stop(self) -> None:
        """Begin no further upload."""
        self._stopping = True

    async def run(self) -> None:
        """Upload until stopped, and finish what was begun."""
        while True:
            self.records.append(Record(*self._of))
            await self.write(self.current)
            if self._stopping:
                return

    async def write(self, record: Record) -> None:
        """Send an upload to its end, as a program that is started again does when another has taken it over."""
        address, token = self._system.front.address, self._system.token(record.tenant)
        while True:
            record.told.append([])
            async with AsyncClient(address, token) as connected:
                rows = batches_of(record.tenant, record.rows, record.batch_rows)
                try:
                    summary = await connected.upload(
                        rows, record.options, on_progress=partial(self._hear, record, record.told[-1])
                    )
                except (WriterFenced, Unavailable):  # nobody was there when it began
                    continue
                except WrongState as error:
                    if error.reason != "UPLOAD_FINALIZED":  # by the rival
                        raise
                    continue
            record.name = summary.upload
            return

    def _hear(self, record: Record, told: list[int], progress: Progress) -> None:
        record.name = progress.upload
        rows = progress.rows_committed - record.told_at_most
        if rows > 0:
            self.progress += rows
            self.progressed_at = time.monotonic()
        told.append(progress.rows_committed)


async def flow(loads: Sequence[Load], seconds: float) -> float:
    """Return the rows per second of all clients together."""
    before, started = sum(load.progress for load in loads), time.monotonic()
    await passing(seconds)
    return (sum(load.progress for load in loads) - before) / (time.monotonic() - started)
