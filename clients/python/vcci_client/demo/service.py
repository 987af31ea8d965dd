"""A service of the demo's own: a process with an embedded database and local Ray, in a folder that goes with it."""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from vcci_client.errors import ClientError
from vcci_client.server_process import server_command

START_S = 120.0
STOP_S = 45.0


@dataclass(frozen=True, slots=True)
class Service:
    """A running service: where it listens, and a token that it takes."""

    address: str
    metrics: str
    token: str

    def read_metrics(self) -> str:
        """Return its metrics, in Prometheus' text form."""
        with urlopen(f"http://{self.metrics}/metrics", timeout=10) as response:
            return str(response.read(), "utf-8")


@asynccontextmanager
async def running_service(log: Path) -> AsyncIterator[Service]:
    """Run a service until the end of the body, on ports that the system gives; its log goes to a file."""
    with _state_folder() as folder:
        environment = _environment(folder)
        with log.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                *server_command("serve"), stdout=asyncio.subprocess.PIPE, stderr=stderr, env=environment
            )
            try:
                where = await _where(process, log)
                yield Service(where["listening"], where["metrics"], await _token(environment))
            finally:
                await _stop(process)


@contextmanager
def _state_folder() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="vcci-demo-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # as root, PostgreSQL runs as another user, who must get through
        yield folder


def _environment(folder: str) -> dict[str, str]:
    """Return this process's environment, without the settings of any other service."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VCCI_")}
    return kept | {
        "VCCI_STATE_DIR": folder,
        "VCCI_LISTEN": "127.0.0.1:0",
        "VCCI_METRICS_LISTEN": "127.0.0.1:0",
        "VCCI_RAY_ADDRESS": "local",
        "VCCI_LOG_FORMAT": "json",
    }


async def _where(process: asyncio.subprocess.Process, log: Path) -> Mapping[str, str]:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_S):
            line = await process.stdout.readline()
    except TimeoutError:
        line = b""
    if not line:
        raise ClientError(f"the service did not start; {log} says why")
    found: Mapping[str, str] = json.loads(line)
    return found


async def _token(environment: Mapping[str, str]) -> str:
    asked = await asyncio.create_subprocess_exec(
        *server_command("token"), stdout=asyncio.subprocess.PIPE, stderr=sys.stderr, env=environment
    )
    token, _ = await asked.communicate()
    return token.decode().strip()


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
