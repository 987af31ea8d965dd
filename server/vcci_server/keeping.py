"""Keeps single calculations in a rolling upload per tenant, process and hour.

Calls that wait while a transaction is under way share the next one: a single call pays one commit, a hundred at once
pay two.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
from vcci_engine.activities import Activities
from vcci_engine.errors import Unavailable, VcciError, WriterFenced, WrongState
from vcci_engine.results import Calculation, RowErrors
from vcci_engine.segments import cut

from vcci_server.storage import audit, uploads
from vcci_server.storage.ingest import PreparedBatch
from vcci_server.storage.kept import Kept, commit_kept, find_kept
from vcci_server.storage.partitions import PartitionKeeper
from vcci_server.storage.pool import Pool, bind_tenant
from vcci_server.storage.suppliers import SupplierStore
from vcci_server.supplier_messages import KnownSuppliers

ROLL_S = 3600
MOST_CALLS = 500  # of one transaction
ATTEMPTS = 5
NO_ERRORS = RowErrors(np.empty(0, np.uint32))


@dataclass(frozen=True, slots=True)
class _Call:
    request_id: str
    activities: Activities
    calculation: Calculation
    supplier_ids: npt.NDArray[np.int32]
    kept: "asyncio.Future[Kept]"
    by: audit.Actor

    def batch(self, offset: int) -> PreparedBatch:
        emissions = self.calculation.emissions
        rows = len(emissions)
        segments = cut(emissions, self.supplier_ids, self.activities.units, offset)
        return PreparedBatch(offset, rows, rows, 0, self.calculation.basis, segments, NO_ERRORS)


@dataclass(slots=True)
class _Rolling:
    """The upload of one hour; `next` is its next row."""

    hour: int
    upload_id: int
    epoch: int
    next: int


class Keeping:
    """Stores calculations of all tenants."""

    def __init__(
        self,
        pool: Pool,
        partitions: PartitionKeeper,
        suppliers: SupplierStore,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._pool = pool
        self._partitions = partitions
        self._suppliers = suppliers
        self._clock = clock
        self._tenants: dict[int, _Tenant] = {}

    async def keep(self, tenant_id: int, request_id: str, activities: Activities, calculation: Calculation) -> Kept:
        """Store a calculation of which no row was rejected, once per request id; return where it is."""
        known = KnownSuppliers.of(activities.suppliers)
        supplier_ids = await known.resolve(self._suppliers, tenant_id, activities.supplier)
        kept = asyncio.get_running_loop().create_future()
        tenant = self._tenants.setdefault(tenant_id, _Tenant(tenant_id, self._pool, self._partitions, self._clock))
        tenant.add(_Call(request_id, activities, calculation, supplier_ids, kept, audit.actor()))
        found: Kept = await kept
        return found

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Finish what is under way, and the uploads, at the end of the body."""
        try:
            yield
        finally:
            await asyncio.gather(*(tenant.close() for tenant in self._tenants.values()), return_exceptions=True)


class _Tenant:
    """The calls of one tenant that wait to be kept, and its upload."""

    def __init__(self, tenant_id: int, pool: Pool, partitions: PartitionKeeper, clock: Callable[[], float]) -> None:
        self._tenant_id = tenant_id
        self._pool = pool
        self._partitions = partitions
        self._clock = clock
        self._waiting: list[_Call] = []
        self._worker: asyncio.Task[None] | None = None
        self._rolling: _Rolling | None = None

    def add(self, call: _Call) -> None:
        self._waiting.append(call)
        if self._worker is None:
            with audit.by_itself("KeepCalculations"):  # the uploads are the service's, whoever waits
                self._worker = asyncio.create_task(self._work())

    async def close(self) -> None:
        bind_tenant(self._tenant_id)
        if self._worker is not None:
            await self._worker
        with audit.by_itself("KeepCalculations"):
            await self._finalize()

    async def _work(self) -> None:
        while self._waiting:
            calls, self._waiting = self._waiting[:MOST_CALLS], self._waiting[MOST_CALLS:]
            try:
                kept = await self._keep(calls)
            except Exception as error:
                for call in calls:
                    _settle(call.kept, error)
            else:
                for call in calls:
                    _settle(call.kept, kept[call.request_id])
        self._worker = None

    async def _keep(self, calls: Sequence[_Call]) -> dict[str, Kept]:
        """Store the calls that were not stored before; return where each request is."""
        by_request = {call.request_id: call for call in calls}
        for _ in range(ATTEMPTS):
            kept = await find_kept(self._pool, self._tenant_id, list(by_request))
            new = [call for request_id, call in by_request.items() if request_id not in kept]
            if not new:
                return kept
            if (stored := await self._commit(new)) is not None:
                return kept | stored
        raise Unavailable("Others keep the same requests, or use the upload of kept calculations: try again")

    async def _commit(self, calls: Sequence[_Call]) -> dict[str, Kept] | None:
        """Return where the calls are now; None when another writer came first."""
        upload = await self._current()
        batches = await asyncio.to_thread(_batches, calls, upload.next)
        try:
            committed = await commit_kept(
                self._pool,
                self._partitions,
                self._tenant_id,
                upload.upload_id,
                upload.epoch,
                batches,
                [call.request_id for call in calls],
                [call.by for call in calls],
            )
        except (WrongState, WriterFenced):  # somebody closed or opened it
            self._rolling = None
            return None
        except VcciError:
            self._rolling = None  # the ledger may have moved
            raise
        if committed is None:
            return None
        upload.next = committed
        places = (Kept(upload.upload_id, batch.offset) for batch in batches)
        return {call.request_id: place for call, place in zip(calls, places, strict=True)}

    async def _current(self) -> _Rolling:
        hour = int(self._clock() // ROLL_S)
        if self._rolling is None or self._rolling.hour != hour:
            await self._finalize()
            opened = await self._open(hour)
            self._rolling = _Rolling(hour, opened.upload_id, opened.epoch, opened.committed_rows)
        return self._rolling

    async def _open(self, hour: int) -> uploads.UploadRecord:
        of = datetime.fromtimestamp(hour * ROLL_S, UTC)
        made = await uploads.create(
            self._pool,
            self._tenant_id,
            request_id=f"calculations-{of:%Y-%m-%dT%H}-{secrets.token_hex(8)}",
            display_name=f"Calculations of {of:%Y-%m-%d %H:%M} UTC",
            mode="committed",
            allow_negative=True,
        )
        return await uploads.open_upload(self._pool, self._tenant_id, made.upload_id)

    async def _finalize(self) -> None:
        if self._rolling is not None:
            done, self._rolling = self._rolling, None
            try:
                await uploads.finalize(self._pool, self._tenant_id, done.upload_id)
            except WrongState:
                return  # it was abandoned


def _batches(calls: Sequence[_Call], offset: int) -> list[PreparedBatch]:
    batches = []
    for call in calls:
        batches.append(call.batch(offset))
        offset += batches[-1].rows
    return batches


def _settle(future: "asyncio.Future[Kept]", outcome: Kept | Exception) -> None:
    if future.done():  # its caller has given up
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
