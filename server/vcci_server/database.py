"""The database of a server: set or embedded, with the schema that this version needs."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from vcci_server.settings import Settings, SettingsError
from vcci_server.storage.embedded import embedded_database
from vcci_server.storage.migrate import migrate, missing
from vcci_server.storage.pool import storage_errors

logger = logging.getLogger(__name__)


@asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[str]:
    """The URL of the database: the one that is set, else the embedded one, which runs until the end of the body."""
    if settings.database_url:
        yield settings.database_url
        return
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    async with embedded_database(settings.state_dir) as url:
        yield url


async def ensure_schema(database_url: str, settings: Settings) -> None:
    """Migrate where that is for the server to do, else raise SettingsError when a migration is missing."""
    with storage_errors():
        db = await asyncpg.connect(database_url)
    try:
        if not settings.database_url or settings.migrate:
            for name in await migrate(db):
                logger.info("migrated", extra={"migration": name})
        elif due := await missing(db):
            raise SettingsError(
                f"the database lacks the migrations {', '.join(due)}: run `vcci migrate`, or set VCCI_MIGRATE=yes"
            )
    finally:
        await db.close()
