"""Where the time goes: a flame graph of each hot path, by py-spy; `make profiles` keeps them in bench/results/profiles.

py-spy samples the threads of a process that are running, with native frames, while the path is busy.
"""

import argparse
import asyncio
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
from vcci_client import AsyncClient

from bench import flames
from bench.bench_calls import methods_of
from bench.bench_reads import ASKED
from bench.database import embedded_postgres, state_folder
from bench.dataset import Order
from bench.load import Load, run
from bench.service import Service, running_service
from bench.sizes import Sizes
from tests.waiting import wait_until

FOLDER = Path(__file__).parent / "results" / "profiles"
RATE = 200  # samples a second
STOP_S = 60.0
ROWS = 5_000_000  # of an upload
CALLERS, CALLS_S = 50, 6.0
DASHBOARDS = 300
PAGE = """# Where the time goes

Written by `make profiles`: a flame graph of each hot path, and the largest shares that a function of Python has of its
own, or whose code it called.
"""
BESIDE_AN_UPLOAD = re.compile(r"dataset\.py|<frozen importlib|\(psutil")  # its rows are made, its start, the meter
OF_AN_UPLOAD = re.compile(r"\((vcci|grpc)")


class Profiler:
    """Runs what is busy, and writes the picture of it."""

    def __init__(self, service: Service, folder: Path) -> None:
        self._service = service
        self._folder = folder
        self._page = PAGE

    def profile(self, name: str, title: str, work: Callable[[], object]) -> None:
        """Do the work and draw what the server does meanwhile."""
        with recorded(self._service.process.pid) as raw:
            work()
        self._write(name, title, flames.parse("".join(raw)))

    def profile_client(self, name: str, title: str, work: Callable[[], object]) -> None:
        """Do the work, which starts a client, and draw what the client does."""
        thread = threading.Thread(target=work)
        thread.start()
        with recorded(wait_until(_uploaders)[0].pid) as raw:
            thread.join()
        self._write(name, title, flames.parse("".join(raw), _of_an_upload))

    def _write(self, name: str, title: str, stacks: flames.Stacks) -> None:
        (self._folder / f"{name}.svg").write_text(flames.draw(title, stacks))
        shares = "\n".join(flames.largest(stacks))
        self._page += f"\n## {title}\n\n![{title}]({name}.svg)\n\n```\n{shares}\n```\n"
        (self._folder / "README.md").write_text(self._page)
        print(f"\n{title}\n{shares}", flush=True)


@contextmanager
def recorded(pid: int) -> Iterator[list[str]]:
    """The stacks of a process during the body, there once that has ended."""
    raw: list[str] = []
    with tempfile.NamedTemporaryFile(suffix=".folded") as file:
        command = ["py-spy", "record", "--pid", str(pid), "--rate", str(RATE), "--format", "raw", "--output", file.name]
        spy = subprocess.Popen(
            [*command, "--native", "--function", "--threads"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert spy.stdout is not None
        try:
            told = spy.stdout.readline()  # it samples, or says why not
            yield raw
        finally:
            spy.send_signal(signal.SIGINT)
            rest, _ = spy.communicate(timeout=STOP_S)
        raw.append(Path(file.name).read_text())
        if not raw[0]:
            raise RuntimeError(f"py-spy wrote nothing: {told}{rest}")


def _uploaders() -> list[psutil.Process]:
    """Return the clients of uploads that go on."""
    return [of for of in psutil.Process().children() if "bench.uploader" in of.cmdline()]


def _of_an_upload(stack: Sequence[str]) -> bool:
    return any(map(OF_AN_UPLOAD.search, stack)) and not any(map(BESIDE_AN_UPLOAD.search, stack))


def profile(service: Service, folder: Path, sizes: Sizes) -> None:
    """Write all pictures; each path leaves what the next needs."""
    of = Profiler(service, folder)
    batches = sizes.ingest_rows // sizes.batch_rows

    def upload() -> None:
        service.upload(sizes, batches, order=Order.BY_SUPPLIER)

    def calculate() -> None:
        run(Load(sizes.call_s, sizes.callers), *methods_of(service)).all_answered()

    async def stream(client: AsyncClient) -> None:
        async for _ in client.stream_emissions(columns=ASKED):
            pass

    async def dashboards(client: AsyncClient) -> None:
        for _ in range(sizes.read_calls):
            await client.get_dashboard()

    of.profile_client("ingest_client", "Client: an upload of columns, by supplier", upload)
    service.settle()
    of.profile("ingest_server", "Server: an upload of columns, by supplier", upload)
    of.profile("folding", "Server: folding and merging what was uploaded", service.settle)
    of.profile("calculate", "Server: 50 callers of Calculate, one activity each", calculate)
    of.profile("stream_emissions", "Server: StreamEmissions, ten columns of all rows", lambda: _call(service, stream))
    of.profile("dashboard", "Server: the dashboard of all rows, call after call", lambda: _call(service, dashboards))


def _call(service: Service, work: Callable[[AsyncClient], Awaitable[None]]) -> None:
    async def call() -> None:
        async with service.client() as client:
            await work(client)

    asyncio.run(call())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.profiles", description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    sizes = Sizes(ingest_rows=ROWS, call_s=CALLS_S, callers=CALLERS, read_calls=DASHBOARDS)
    with state_folder() as folder, embedded_postgres(folder) as postgres:
        (own := folder / "profiled").mkdir()
        with running_service(own, postgres) as service:
            profile(service, arguments.folder, sizes)


if __name__ == "__main__":
    main()
