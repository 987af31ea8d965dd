"""Several processes that serve one port: started, watched, started again when one ends, and stopped together.

The kernel hands a new connection to one of them (SO_REUSEPORT). Nothing is shared between them but the database, where
one leads the background work, so that each can be lost like a whole server.
"""

import asyncio
import json
import logging
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from vcci_server.joint_metrics import JointMetrics
from vcci_server.listening import Listening, address_of, taken
from vcci_server.metrics import serve_metrics
from vcci_server.settings import Settings, split_address

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0  # before a process that has ended is started again
STEADY_S = 60.0  # one that has served for longer is started again after the first pause
STOP_BEYOND_S = 15.0  # a process that drains for so much longer than it should is killed

logger = logging.getLogger(__name__)


async def serve_together(
    settings: Settings, flags: Mapping[str, object | None], announce: Callable[[Listening], None]
) -> int:
    """Serve by several processes until SIGTERM or SIGINT; return the status to end with."""
    command = [sys.executable, "-m", "vcci_server", "serve"]
    for name, value in flags.items():
        if value is not None:
            flag = f"--{name.replace('_', '-')}"
            command += [flag] if value is True else [flag, str(value)]
    metrics = JointMetrics()
    host, port = split_address(settings.metrics_listen)
    with ExitStack() as stack:
        with taken("VCCI_METRICS_LISTEN", settings.metrics_listen):
            port = stack.enter_context(serve_metrics(metrics.registry, host, port))
        processes = Processes(command, settings.listen, settings.processes, metrics, settings.drain_s)
        return await processes.run(lambda address: announce(Listening(address, address_of(host, port))))


class Processes:
    """The processes of one port, each run by a command to which the port is added; they end when this one does."""

    def __init__(self, command: Sequence[str], listen: str, count: int, metrics: JointMetrics, drain_s: float) -> None:
        self._command = command
        self._host, self._port = split_address(listen)
        self._count = count
        self._metrics = metrics
        self._drain_s = drain_s
        self._running: dict[int, Process] = {}
        self._stopping = asyncio.Event()

    async def run(self, announce: Callable[[str], None]) -> int:
        """Serve until SIGTERM or SIGINT, tell where; return the status to end with."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stopping.set)
        with self._reserved() as port:
            address = address_of(self._host, port)
            # The first one prepares the database; the others find it ready.
            if await self._start(0, address) and all(
                await asyncio.gather(*(self._start(number, address) for number in range(1, self._count)))
            ):
                announce(address)
                keepers = [asyncio.create_task(self._keep(number, address)) for number in range(self._count)]
                await self._stopping.wait()
                statuses = await self._stop()
                await asyncio.gather(*keepers)
                return 0 if not any(statuses) else 1
            await self._stop()
            return 0 if self._stopping.is_set() else 1

    async def _start(self, number: int, address: str) -> bool:
        """Start a process; return whether it serves."""
        if self._stopping.is_set():
            return False
        command = [*self._command, "--member", str(number), "--listen", address, "--metrics-listen", "127.0.0.1:0"]
        process = self._running[number] = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
        assert process.stdout is not None
        line = await self._first_line(process)
        if not line:
            return False
        self._metrics.scrape(number, json.loads(line)["metrics"])
        return True

    async def _first_line(self, process: Process) -> bytes:
        """Return what a process prints once it serves; nothing when it ends before, or all are to stop."""
        assert process.stdout is not None
        reading = asyncio.ensure_future(process.stdout.readline())
        stopping = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait((reading, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not reading.done():
            reading.cancel()
            return b""
        return reading.result()

    async def _keep(self, number: int, address: str) -> None:
        """Start a process again whenever it has ended, until all are to stop."""
        pause_s, loop = FIRST_PAUSE_S, asyncio.get_running_loop()
        while True:
            started = loop.time()
            status = await self._running[number].wait()
            self._metrics.forget(number)
            if self._stopping.is_set():
                return
            pause_s = FIRST_PAUSE_S if loop.time() - started > STEADY_S else min(2 * pause_s, LONGEST_PAUSE_S)
            logger.error("process %d has ended (%d); it is started again after %g s", number, status, pause_s)
            if await self._stopped_within(pause_s):
                return
            self._metrics.restarts.inc()
            if await self._start(number, address):
                logger.info("process %d serves again", number)

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def _stop(self) -> list[int]:
        """Drain all processes at once; return their statuses."""
        return await asyncio.gather(*(self._end(process) for process in self._running.values()))

    async def _end(self, process: Process) -> int:
        if process.returncode is None:
            process.terminate()
        try:
            return await asyncio.wait_for(process.wait(), self._drain_s + STOP_BEYOND_S)
        except TimeoutError:
            process.kill()
            return await process.wait()

    @contextmanager
    def _reserved(self) -> Iterator[int]:
        """Keep the port for processes of this user, and from others; give its number."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        with socket.socket(family) as held:
            with taken("VCCI_LISTEN", address_of(self._host, self._port)):
                with socket.socket(family) as probe:  # another server on the port is an error, not a rival
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind((self._host, self._port))
                    port = probe.getsockname()[1]
                held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                held.bind((self._host, port))
            yield port


def end_with_parent() -> None:
    """Drain when the process that started this one has ended, however; blocks, for a thread of its own."""
    while os.read(sys.stdin.fileno(), 1):  # not the buffered reader, whose lock would outlive the interpreter
        pass
    signal.raise_signal(signal.SIGTERM)
