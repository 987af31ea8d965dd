"""Connections to the database, and the edge where the driver's errors become ours."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeAlias

import asyncpg
from asyncpg.connection import LoggedQuery
from asyncpg.pool import PoolConnectionProxy
from vcci_engine.errors import InvalidField, Unavailable, WrongState

from vcci_server.storage.queries import NAMES

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
Observe: TypeAlias = Callable[[str, float], None]  # query type (a statement's name, else its verb), seconds

READER, WRITER = "vcci_reader", "vcci_writer"  # roles, which see the rows of one tenant

COMMAND_TIMEOUT_S = 60.0
ACQUIRE_TIMEOUT_S = 30.0
START_TIMEOUT_S = 30.0
FIRST_DELAY_S, LONGEST_DELAY_S = 0.05, 1.0

# Classes and codes of SQLSTATE after which the same again may well succeed.
TRANSIENT = (
    "08",  # connection exception
    "25006",  # read-only transaction: a failover is under way
    "40",  # transaction rollback: deadlock, serialization failure
    "53",  # insufficient resources
    "55P03",  # lock not available
    "57",  # operator intervention: shutdown, cancelled
    "58",  # system error: an I/O error
)
NUL = ("22021", "22P05")  # what a NUL character in a text is refused with


_tenant: ContextVar[int] = ContextVar("tenant")


def bind_tenant(tenant_id: int) -> None:
    """Say whose rows the connections of a role see from now on, in this task and those that it starts."""
    _tenant.set(tenant_id)


@dataclass(slots=True)
class _Binding:
    tenant_id: int | None = None


class _OfRole(asyncpg.Connection):
    """A connection of a role. It keeps its settings between uses, since each use is bound to a tenant."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.binding = _Binding()

    def get_reset_query(self) -> str:
        """Return nothing."""
        return ""


async def _bind(connection: Connection) -> None:
    """Let a connection see the rows of the tenant that is bound, and no others; nobody bound is a fault of ours."""
    tenant_id, bound = _tenant.get(), connection.binding  # type: ignore[union-attr]  # of _OfRole
    if bound.tenant_id != tenant_id:
        await connection.execute(f"SET vcci.tenant = {tenant_id:d}")
        bound.tenant_id = tenant_id


@asynccontextmanager
async def open_pool(url: str, *, size: int, observe: Observe | None = None, role: str = "") -> AsyncIterator[Pool]:
    """Open a pool of at most `size` connections, waiting for the database; `observe` gets each statement's time.

    Connections of a role see the rows of the tenant that `bind_tenant` has named.
    """
    pool = await asyncpg.create_pool(
        url,
        min_size=0,  # opened as they are needed, so that a database that is not there yet does not close the pool
        max_size=size,
        command_timeout=COMMAND_TIMEOUT_S,
        server_settings={"application_name": "vcci", "timezone": "UTC"},
        init=_prepared(observe, role),
        setup=_bind if role else None,
        connection_class=_OfRole if role else asyncpg.Connection,
    )
    try:
        if not role:
            await _wait_for_database(pool)
        yield pool
    finally:
        await _close(pool)


@asynccontextmanager
async def connection(pool: Pool) -> AsyncIterator[Connection]:
    """A connection of the pool; its errors are ours."""
    with storage_errors():
        async with pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as acquired:
            yield acquired


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """A connection in a transaction, committed at the end."""
    async with connection(pool) as acquired, acquired.transaction():
        yield acquired


@contextmanager
def storage_errors() -> Iterator[None]:
    """Turn the driver's errors into ours, by SQLSTATE or type; what is our own fault stays as it is."""
    try:
        yield
    except asyncpg.PostgresError as error:
        state = error.sqlstate or ""
        if state.startswith(TRANSIENT):
            raise Unavailable from error
        if state in NUL:
            raise InvalidField("text", "\\x00", "text without NUL characters", reason="MALFORMED_VALUE") from error
        raise
    except asyncpg.DataError:
        raise
    except asyncpg.ClientConfigurationError as error:
        raise WrongState("VCCI_DATABASE_URL has a parameter that PostgreSQL's driver does not take") from error
    except (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError) as error:
        raise Unavailable from error  # a connection that broke, was told while idle that it will, or does not answer


def active_connections(pool: Pool) -> int:
    """How many connections are in use: `db_connections_active`."""
    return pool.get_size() - pool.get_idle_size()


async def _wait_for_database(pool: Pool) -> None:
    delay_s = FIRST_DELAY_S
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            while not await _answers(pool):
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, LONGEST_DELAY_S)
    except TimeoutError:
        raise Unavailable(f"The database did not answer within {START_TIMEOUT_S:.0f} s") from None


async def _answers(pool: Pool) -> bool:
    try:
        async with connection(pool) as db:
            await db.execute("SELECT")
    except Unavailable:
        return False
    return True


async def _close(pool: Pool) -> None:
    """Close when every connection is back; after a while, or when cancelled, close them as they are."""
    try:
        async with asyncio.timeout(ACQUIRE_TIMEOUT_S):
            await pool.close()
    except TimeoutError:
        pool.terminate()


def _prepared(observe: Observe | None, role: str) -> Callable[[Connection], Coroutine[Any, Any, None]]:
    def log(query: LoggedQuery) -> None:
        if observe is not None:
            observe(NAMES.get(query.query) or query.query.split(maxsplit=1)[0].rstrip(";").lower(), query.elapsed)

    async def init(connection: Connection) -> None:
        if observe is not None:
            connection.add_query_logger(log)
        if role:
            await connection.execute(f"SET ROLE {role}")

    return init
