"""All parts of a service as processes that can be killed, with a proxy before each way in.

clients ──▶ front ──▶ server ──▶ back ──▶ PostgreSQL          server ──▶ Redis, Ray
"""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
from vcci_server.auth import Role, load_secret, make_token
from vcci_server.factors import ensure_starter
from vcci_server.storage.pool import open_pool
from vcci_server.storage.tenants import ensure_tenant

from tests.chaos.clock import Clock
from tests.chaos.proxy import Proxy, proxy_to
from tests.cluster.ray_head import Head, running_head
from tests.postgres_process import PostgresProcess, running_postgres, url_at
from tests.redis_process import RedisProcess, running_redis
from tests.server_process import ServerProcess, running_server

T = TypeVar("T")

LAUNCHER = str(Path(__file__).with_name("launcher.py"))
TENANTS = ("default", "other")
DISK_MB = 1_536
TOKEN_S = 30 * 86_400.0  # longer than the clocks jump


@dataclass
class System:
    """The parts; what this machine cannot have is None."""

    folder: Path  # where the server is armed
    server: ServerProcess
    postgres: PostgresProcess
    front: Proxy
    back: Proxy
    server_clock: Clock
    postgres_clock: Clock
    redis: RedisProcess | None = None
    ray: Head | None = None
    disk: Path | None = None  # a small one, of the database alone

    def token(self, tenant: str) -> str:
        """A token that lives as long as the test."""
        return make_token(load_secret(self.server.state_dir), tenant, "chaos", TOKEN_S, (Role.ADMIN,))

    def metadata(self, tenant: str) -> list[tuple[str, str]]:
        """The metadata of a call."""
        return [("authorization", f"Bearer {self.token(tenant)}")]

    async def restart_server(self) -> None:
        """Start the server after it has ended."""
        await asyncio.to_thread(self.server.start)
        self.front.target = self.server.listening


@asynccontextmanager
async def running_system(*, with_ray: bool = False, sabotage: str = "") -> AsyncIterator[System]:
    """Run all parts until the end of the body, with a second tenant that has factors of its own."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(_folder())
        clocks = Clock(folder, "server"), Clock(folder, "postgres")
        disk = stack.enter_context(_small_disk())
        postgres = await stack.enter_async_context(_in_thread(running_postgres(disk, clocks[1].environment)))
        back = await stack.enter_async_context(proxy_to(postgres.address))
        redis = await _redis(stack)
        head = await stack.enter_async_context(_in_thread(running_head())) if with_ray else None
        env = {
            "VCCI_DATABASE_URL": url_at(back.address),
            "VCCI_MIGRATE": "yes",
            "CHAOS_FOLDER": str(folder),
            "CHAOS_SABOTAGE": sabotage,
            **clocks[0].environment,
        }
        if redis is not None:
            env["VCCI_REDIS_URL"] = redis.url
        if head is not None:
            env |= {"VCCI_RAY_ADDRESS": head.address, "VCCI_RAY_TOKEN": head.token, "VCCI_RAY_THRESHOLD_S": "0.001"}
        server = await stack.enter_async_context(_in_thread(running_server(env=env, program=(LAUNCHER,))))
        front = await stack.enter_async_context(proxy_to(server.listening))
        await _make_tenants(postgres)
        yield System(folder, server, postgres, front, back, *clocks, redis, head, disk)


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder that the user who runs PostgreSQL for root may enter."""
    with tempfile.TemporaryDirectory(prefix="vcci-test-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@asynccontextmanager
async def _in_thread(context: AbstractContextManager[T]) -> AsyncIterator[T]:
    """Enter and leave a context that takes its time, while the proxies go on."""
    entered = await asyncio.to_thread(context.__enter__)
    try:
        yield entered
    finally:
        await asyncio.to_thread(context.__exit__, None, None, None)


async def _redis(stack: AsyncExitStack) -> RedisProcess | None:
    try:
        return await stack.enter_async_context(_in_thread(running_redis()))
    except pytest.skip.Exception:
        return None


@contextmanager
def _small_disk() -> Iterator[Path | None]:
    """A file system in memory for the database, where this process may mount one."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="vcci-test-") as folder, ExitStack() as stack:
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=0711", "vcci-test", folder]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            yield None
            return
        stack.callback(subprocess.run, ["umount", "-l", folder], check=True)
        yield Path(folder)


async def _make_tenants(postgres: PostgresProcess) -> None:
    async with open_pool(postgres.url, size=1) as pool:
        for tenant in TENANTS:
            await ensure_starter(pool, await ensure_tenant(pool, tenant))
