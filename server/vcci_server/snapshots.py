"""Factor tables in Redis: what one process has made of a set, the others need not make again.

The database is the truth, and Redis only saves time: what it does not have, or does not answer in time, comes from the
database. A snapshot is sealed with a key that Redis does not have, under its own name: what is damaged, forged, or
copied from another tenant's name is not used. The name holds a hash of the code that reads and writes it.
"""

import asyncio
import hmac
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Self, TypeVar

import vcci_engine
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from vcci_engine.errors import Unavailable
from vcci_engine.factors import FactorTable

from vcci_server.metrics import Tier
from vcci_server.settings import SettingsError
from vcci_server.snapshot_codec import Codec
from vcci_server.storage.factors import Version

CHANNEL = "vcci:factors"  # told of each activation
LIFETIME_S = 86_400
CONNECT_WITHIN_S = 0.5
ANSWER_WITHIN_S = 0.5  # a set of 50,000 factors is 13 MB: 0.1 s over a gigabit
LISTEN_S = 1.0  # how often the subscription looks whether Redis was found not to answer
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
SEAL_BYTES = 32
FAILURES = (RedisError, OSError, TimeoutError)

logger = logging.getLogger(__name__)

R = TypeVar("R")
_CODEC = Codec(FactorTable)


class Snapshots:
    """The tables that all processes share; an async context manager, which keeps the connection.

    One subscription shows whether Redis is there. While it is not, nothing else is tried: one attempt to subscribe
    every few seconds is all that a Redis that is away costs.
    """

    def __init__(self, url: str, secret: str, tier: Tier) -> None:
        self._redis = connect(url)
        self._key = hmac.digest(secret.encode(), b"vcci factor snapshots", "sha256")
        self._code = _code()
        self._tier = tier
        self._news: Callable[[], None] = lambda: None
        self._there: bool | None = None  # None: not known yet
        self._tried = asyncio.Event()
        self._storing: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._follower = asyncio.create_task(self._follow())
        await self._tried.wait()
        return self

    async def __aexit__(self, *exception: object) -> None:
        tasks = [self._follower, *self._storing]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._redis.aclose()

    def on_news(self, news: Callable[[], None]) -> None:
        """Call `news` whenever something may have been activated."""
        self._news = news

    async def get(self, tenant_id: int, version: Version) -> FactorTable | None:
        """Return the tenant's table, if Redis has it."""
        name = self._name(tenant_id, version)
        sealed = await self._ask(lambda redis: redis.get(name))
        table = await asyncio.to_thread(self._open, name, sealed) if isinstance(sealed, bytes) else None
        (self._tier.miss if table is None else self._tier.hit)()
        return table

    def put(self, tenant_id: int, version: Version, table: FactorTable) -> None:
        """Have a table stored for a day; nobody waits for it."""
        storing = asyncio.create_task(self._store(self._name(tenant_id, version), table))
        self._storing.add(storing)
        storing.add_done_callback(self._storing.discard)

    async def publish(self) -> None:
        """Tell the other processes that something was activated; a database that has committed it tells them, too."""
        await self._ask(lambda redis: redis.publish(CHANNEL, "activated"))

    async def _store(self, name: str, table: FactorTable) -> None:
        sealed = await asyncio.to_thread(self._seal, name, table)
        await self._ask(lambda redis: redis.set(name, sealed, ex=LIFETIME_S))

    def _seal(self, name: str, table: FactorTable) -> bytes:
        body = _CODEC.encode(table)
        return self._sealed(name, body) + body

    def _open(self, name: str, sealed: bytes) -> FactorTable | None:
        body = sealed[SEAL_BYTES:]
        if hmac.compare_digest(sealed[:SEAL_BYTES], self._sealed(name, body)):
            return _CODEC.decode(body)
        logger.warning("a snapshot in Redis is not one of ours; it is not used", extra={"snapshot": name})
        return None

    def _sealed(self, name: str, body: bytes) -> bytes:
        return hmac.digest(self._key, sha256(name.encode()).digest() + body, "sha256")

    def _name(self, tenant_id: int, version: Version) -> str:
        return ":".join(map(str, ("vcci:factors", self._code, tenant_id, *version)))

    async def _ask(self, ask: "Callable[[Redis], Awaitable[R]]") -> R | None:
        """Return the answer; None when there is none in time."""
        if not self._there:
            return None
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await ask(self._redis)
        except FAILURES as error:
            self._lost(error)
            return None

    def _lost(self, error: Exception) -> None:
        if self._there is not False:
            logger.warning("Redis does not answer; factor sets come from the database: %s", error or type(error))
        self._there = False

    async def _follow(self) -> None:
        """Subscribe, again and again; the pauses grow, and are random, or all processes would come at once."""
        pauses = _pauses()
        while True:
            try:
                async with self._subscribed() as channel:
                    self._found()
                    pauses = _pauses()
                    while self._there:
                        if await channel.get_message(timeout=LISTEN_S):
                            self._news()
            except FAILURES as error:
                self._lost(error)
            except Exception:
                logger.exception("listening to Redis failed; it begins again")
                self._there = False
            self._tried.set()
            await asyncio.sleep(next(pauses))

    @asynccontextmanager
    async def _subscribed(self) -> AsyncIterator[PubSub]:
        async with self._redis.pubsub() as channel:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await channel.subscribe(CHANNEL)
                while not await channel.get_message(timeout=ANSWER_WITHIN_S):
                    pass
            yield channel

    def _found(self) -> None:
        logger.info("factor sets are shared over Redis")
        self._there = True
        self._tried.set()
        self._news()  # what was published meanwhile was missed


def connect(url: str) -> Redis:
    """Return a client that neither waits long nor tries again by itself; raise SettingsError for a wrong URL."""
    try:
        return Redis.from_url(
            url,
            protocol=2,
            socket_timeout=ANSWER_WITHIN_S,
            socket_connect_timeout=CONNECT_WITHIN_S,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError:  # whose text may have a part of the password
        raise SettingsError(
            "VCCI_REDIS_URL cannot be understood; expected redis://[user:password@]host:port/number, with what is "
            "special in the password percent-encoded"
        ) from None


async def redis_version(url: str) -> str:
    """Return the version of the Redis that answers, or raise Unavailable."""
    redis = connect(url)
    try:
        info = await redis.info("server")
    except FAILURES as error:
        raise Unavailable(f"Redis does not answer: {error}") from error
    finally:
        await redis.aclose()
    return str(info["redis_version"])


def _pauses() -> Iterator[float]:
    longest_s = FIRST_PAUSE_S
    while True:
        yield random.uniform(longest_s / 2, longest_s)  # noqa: S311  not a secret
        longest_s = min(2 * longest_s, LONGEST_PAUSE_S)


def _code() -> str:
    """Return a hash of our code: another version may make something else of the same set."""
    digest = sha256()
    for package in (vcci_engine.__file__, __file__):
        folder = Path(package).parent
        for path in sorted(path for path in folder.rglob("*") if path.suffix in (".py", ".sql")):
            digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]
