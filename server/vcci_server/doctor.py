"""Examines what the service works with: database, schema, factors, sums, Redis, Ray."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TypeVar

from vcci_cluster import open_executor
from vcci_engine.errors import NotFound, Unavailable, VcciError, WrongState

from vcci_server.database import database
from vcci_server.settings import Settings
from vcci_server.storage import audit, tenants
from vcci_server.storage.agreement import check_agreement
from vcci_server.storage.audit_chain import verify
from vcci_server.storage.factors import load_table
from vcci_server.storage.migrate import missing
from vcci_server.storage.pool import Pool, connection, open_pool

Subject = TypeVar("Subject")


@dataclass(frozen=True, slots=True)
class Finding:
    """What was examined, and how it is."""

    what: str
    right: bool
    detail: str


async def examine(settings: Settings) -> list[Finding]:
    """Return all findings; where the database does not answer, only that."""
    async with AsyncExitStack() as stack:
        try:
            url = await stack.enter_async_context(database(settings))
            pool = await stack.enter_async_context(open_pool(url, size=2))
        except VcciError as error:
            return [Finding("database", False, str(error)), *await _others(settings)]
        findings = [await _finding("database", _database, pool), await _finding("schema", _schema, pool)]
        if all(finding.right for finding in findings):
            findings.append(await _finding("factors", _factors, pool))
            findings.append(await _finding("sums", _sums, pool))
            findings.append(await _finding("audit", _audit, pool))
        return [*findings, *await _others(settings)]


async def _others(settings: Settings) -> list[Finding]:
    return [await _finding("redis", _redis, settings), await _finding("ray", _ray, settings)]


async def _finding(what: str, check: Callable[[Subject], Awaitable[str]], subject: Subject) -> Finding:
    try:
        return Finding(what, True, await check(subject))
    except VcciError as error:
        return Finding(what, False, str(error))


async def _database(pool: Pool) -> str:
    async with connection(pool) as db:
        version: str = await db.fetchval("SHOW server_version")
    return f"PostgreSQL {version} answers"


async def _schema(pool: Pool) -> str:
    async with connection(pool) as db:
        due = await missing(db)
    if due:
        raise WrongState(f"lacks {', '.join(due)}: run `vcci migrate`")
    return "up to date"


async def _factors(pool: Pool) -> str:
    tenant_id = await tenants.tenant_id(pool, tenants.DEFAULT)
    if tenant_id is None:
        raise NotFound(f"there is no tenant {tenants.DEFAULT!r}: the first `vcci serve` makes it")
    table = await load_table(pool, tenant_id)
    return f"factorSets/{table.set_id} is active, {len(table)} factors"


async def _sums(pool: Pool) -> str:
    """Compare what is summed with the rows, tenant by tenant."""
    rows = 0
    for tenant_id, name in await tenants.every(pool):
        found = await check_agreement(pool, asyncio.to_thread, tenant_id)
        if found.wrong:
            raise WrongState(f"of tenant {name!r} {' and '.join(found.wrong)} are not the sums of its rows")
        rows += found.rows
    return f"agree with {rows:,} folded rows"


async def _audit(pool: Pool) -> str:
    """Read every chain of audit events."""
    events = 0
    for tenant_id in await audit.tenants(pool):
        found = await verify(pool, tenant_id)
        if found.faults:
            first = found.faults[0]
            raise WrongState(f"of tenant {tenant_id} event {first.sequence} is {first.kind.replace('_', ' ')}")
        events += found.events
    return f"{events:,} events are as they were written"


async def _redis(settings: Settings) -> str:
    if not settings.redis_url:
        return "not used"
    from vcci_server.snapshots import redis_version  # loading Redis' client takes time

    return f"Redis {await redis_version(settings.redis_url)} answers"


async def _ray(settings: Settings) -> str:
    if not settings.ray_address:
        return "not used"
    async with open_executor(
        settings.ray_address, threads=1, ray_token=settings.ray_token or None, ray=settings.ray_options
    ) as executor:
        if not executor.ray_is_up:
            raise Unavailable(f"{settings.ray_address} does not answer")
    return f"{settings.ray_address} answers"
