"""A random schedule of faults under load, and the check of all that the clients were told meanwhile."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import asyncpg
import grpc
import grpc.aio
from vcci.v1.emission_service_pb2 import EMISSION_COLUMN_SUPPLIER
from vcci_client.encode import Form
from vcci_server.storage.agreement import check_agreement
from vcci_server.storage.factors import load_table
from vcci_server.storage.pool import open_pool
from vcci_server.storage.tenants import every

from tests.chaos.faults import Scene, kinds
from tests.chaos.history import Store, faults
from tests.chaos.load import Load, Record, flow, rows_of
from tests.chaos.system import TENANTS, System
from tests.chaos.trial import FOLDED, sums_of
from tests.emission_tables import Error, Table, calculated, streamed, told
from tests.uploads import Uploads
from tests.waiting import passing, until

FLOW_S = 2.0
BETWEEN_S = 0.3  # at most, from a recovery to the next fault
RECOVERY_S = 90.0
FOLDED_S = 120.0
ROWS, BATCH_ROWS, BATCH_ROWS_FOR_RAY = 20_000, 200, 1_000  # small: many transactions to break


@dataclass
class Outcome:
    """What a campaign came to."""

    flow: float = 0.0  # rows per second before the first fault
    injected: Counter[str] = field(default_factory=Counter)
    recovery_s: dict[str, float] = field(default_factory=dict)  # the longest, by kind
    acknowledged: int = 0
    lost: int = 0
    duplicated: int = 0
    broken: list[str] = field(default_factory=list)  # promises

    def add(self, other: "Outcome") -> None:
        """Add another campaign."""
        self.flow = min(self.flow or other.flow, other.flow)
        self.injected += other.injected
        for kind, seconds in other.recovery_s.items():
            self.recovery_s[kind] = max(seconds, self.recovery_s.get(kind, 0.0))
        self.acknowledged += other.acknowledged
        self.lost += other.lost
        self.duplicated += other.duplicated
        self.broken += other.broken


async def campaign(system: System, rng: random.Random, count: int, names: Sequence[str]) -> Outcome:
    """Upload for both tenants, inject faults, and check everything at the end."""
    outcome = Outcome()
    form, batch_rows = (Form.ROWS, BATCH_ROWS_FOR_RAY) if system.ray else (Form.COLUMNS, BATCH_ROWS)
    loads = [Load(system, tenant, ROWS, batch_rows, form) for tenant in TENANTS]
    async with asyncio.TaskGroup() as tasks:
        for load in loads:
            tasks.create_task(load.run())
        await until(lambda: all(load.progress for load in loads))
        outcome.flow = await flow(loads, FLOW_S)
        scene = Scene(system, loads, rng)
        for kind in schedule(rng, names, count):
            await inject(scene, kind, outcome)
            outcome.broken += await half_visible(scene)
            await passing(rng.uniform(0, BETWEEN_S))
        for load in loads:
            load.stop()
    await check(system, [record for load in loads for record in load.records], outcome)
    return outcome


def schedule(rng: random.Random, names: Sequence[str], count: int) -> Iterator[str]:
    """Every kind in a random order, and again, until there are enough."""
    while count > 0:
        yield from rng.sample(names, min(len(names), count))
        count -= len(names)


async def inject(scene: Scene, kind: str, outcome: Outcome) -> None:
    """Inject one fault, and wait until every client gets on."""
    started = time.monotonic()
    await kinds(scene.system)[kind](scene)
    repaired = time.monotonic()
    await until(lambda: all(load.progressed_at > repaired for load in scene.loads), RECOVERY_S)
    outcome.injected[kind] += 1
    recovery_s = max(load.progressed_at for load in scene.loads) - started
    outcome.recovery_s[kind] = max(recovery_s, outcome.recovery_s.get(kind, 0.0))


async def half_visible(scene: Scene) -> list[str]:
    """Return what is wrong with an upload under way as it is seen now: whole batches, from the first one on."""
    load = scene.rng.choice(scene.loads)
    record = load.current
    if not record.name:
        return []
    promised = record.told_at_most
    async with scene.system.server.channel() as channel:
        try:
            seen = (await Uploads(channel, scene.system.metadata(record.tenant)).stored(record.name)).row.tolist()
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            return []
    through = max([promised, *(row + 1 for row in seen[-1:])])
    through = -(-through // record.batch_rows) * record.batch_rows
    table, _ = await expected(scene.system, record)
    if seen == [row for row in table["row"] if row < through]:
        return []
    return [f"{record.name} shows {len(seen)} rows that are not all those below {through}"]


async def expected(system: System, record: Record) -> tuple[Table, list[Error]]:
    """Return what an upload comes to."""
    key = (system.postgres.url, record.tenant, record.rows)
    if key not in _expected:
        async with open_pool(system.postgres.url, size=1) as pool:
            factors = await load_table(pool, (await tenant_ids(system))[record.tenant])
        _expected[key] = calculated(rows_of(record.tenant, record.rows), factors)
    return _expected[key]


_expected: dict[tuple[str, str, int], tuple[Table, list[Error]]] = {}


async def tenant_ids(system: System) -> dict[str, int]:
    """Return the tenants' ids by name."""
    async with open_pool(system.postgres.url, size=1) as pool:
        return {name: tenant_id for tenant_id, name in await every(pool)}


async def check(system: System, records: Sequence[Record], outcome: Outcome) -> None:
    """Compare all that the clients were told with all that is stored."""
    db = await asyncpg.connect(system.postgres.url)
    try:
        await until(lambda: db.fetchval(FOLDED), FOLDED_S)
        async with system.server.channel() as channel:
            for record in records:
                await _check_record(system, Uploads(channel, system.metadata(record.tenant)), db, record, outcome)
            for tenant in TENANTS:
                own = [record for record in records if record.tenant == tenant]
                strangers = [record for record in records if record.tenant != tenant]
                outcome.broken += await _strangers(Uploads(channel, system.metadata(tenant)), tenant, own, strangers)
    finally:
        await db.close()
    outcome.broken += await _disagreements(system)


async def _check_record(
    system: System,
    uploads: Uploads,
    db: "asyncpg.Connection[asyncpg.Record]",
    record: Record,
    outcome: Outcome,
) -> None:
    table, errors = await expected(system, record)
    upload = await uploads.get(record.name)
    stored = streamed(await uploads.pages(record.name))
    store = Store(
        upload.committed_through,
        upload.accepted_rows,
        upload.rejected_rows,
        stored,
        told(await uploads.row_errors(record.name)),
        await sums_of(db, int(record.name.rpartition("/")[2])),
    )
    found = [fault for heard in record.told for fault in faults(heard, store, table, errors)]
    outcome.broken += sorted({f"{record.name} of {record.tenant}: {fault}" for fault in found})
    outcome.acknowledged += record.told_at_most
    promised = {row for row in table["row"] if row < record.told_at_most}
    outcome.lost += len(promised - set(stored["row"]))
    outcome.duplicated += len(stored["row"]) - len(set(stored["row"]))


async def _strangers(uploads: Uploads, tenant: str, own: Sequence[Record], strangers: Sequence[Record]) -> list[str]:
    """Return what a tenant sees of others: by its own reads of everything, and by their names."""
    found = []
    suppliers = {
        code for page in await uploads.pages("", (EMISSION_COLUMN_SUPPLIER,)) for code in page.supplier.texts()
    }
    if foreign := [code for code in suppliers if not code.startswith(f"{tenant}-")]:
        found.append(f"{tenant} sees {len(foreign)} suppliers of others, {foreign[0]} among them")
    rows, accepted = (await uploads.total()).rows, sum([(await uploads.get(r.name)).accepted_rows for r in own])
    if rows != accepted:
        found.append(f"{tenant} has {accepted} rows, and sees {rows}")
    for record in strangers[-1:]:
        try:
            await uploads.get(record.name)
            found.append(f"{tenant} sees {record.name} of {record.tenant}")
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise
    return found


async def _disagreements(system: System) -> list[str]:
    async with open_pool(system.postgres.url, size=1) as pool:
        return [
            f"the {wrong} of {name} are not the sums of its rows"
            for name, tenant_id in (await tenant_ids(system)).items()
            for wrong in (await check_agreement(pool, asyncio.to_thread, tenant_id)).wrong
        ]
