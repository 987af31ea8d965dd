"""Tenants: whose data it is."""

from vcci_server.storage import audit
from vcci_server.storage.audit import Event
from vcci_server.storage.pool import Pool, connection, transaction
from vcci_server.storage.queries import QUERIES

DEFAULT = "default"  # made at the first start


async def tenant_id(pool: Pool, name: str) -> int | None:
    """Return the id of a tenant, None when there is none of this name."""
    async with connection(pool) as db:
        found: int | None = await db.fetchval(QUERIES["select_tenant_id"], name)
    return found


async def ensure_tenant(pool: Pool, name: str) -> int:
    """Return the id of a tenant, which is made when there is none of this name."""
    async with transaction(pool) as db:
        made: int | None = await db.fetchval(QUERIES["insert_tenant"], name)
        if made is not None:
            await audit.append(db, made, Event(f"tenants/{name}", None, {"name": name}))
            return made
        found: int = await db.fetchval(QUERIES["select_tenant_id"], name)
    return found


async def every(pool: Pool) -> list[tuple[int, str]]:
    """Return the id and the name of every tenant."""
    async with connection(pool) as db:
        return [(row["tenant_id"], row["name"]) for row in await db.fetch(QUERIES["all_tenants"])]
