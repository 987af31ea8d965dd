"""A client in a process of its own: `python -m bench.uploader JOB` uploads batches and prints what it took, as JSON.

The batches are made before the clock starts; encoding them is part of the upload. The server is that of VCCI_SERVER
and VCCI_TOKEN.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice

import psutil
from vcci_client import AsyncClient
from vcci_client.appender import Progress, Stage
from vcci_client.encode import Form
from vcci_client.upload import UploadOptions, UploadSummary

from bench import dataset
from bench.processes import CpuMeter
from bench.sizes import Sizes


@dataclass(frozen=True, slots=True)
class Job:
    """What to upload, and whose CPU to count meanwhile."""

    sizes: Mapping[str, object]
    order: str
    form: str
    batches_per_stream: int
    streams: int
    pids: Mapping[str, int]

    def to_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What it took."""

    rows: int
    rejected: int
    seconds: float  # from the creation of the uploads until every row was acknowledged
    flatness: float  # rows per second of the last tenth, by those of the first
    cpu_s: Mapping[str, float]  # by process, the client's too

    def per_million(self) -> dict[str, float]:
        """Return the CPU seconds per million rows by process."""
        return {f"{name} CPU-s/M": of / self.rows * 1e6 for name, of in self.cpu_s.items()}


def main() -> None:
    job = Job(**json.loads(sys.argv[1]))
    print(json.dumps(asdict(asyncio.run(_upload(job)))))


async def _upload(job: Job) -> Uploaded:
    sizes = Sizes(**job.sizes)  # type: ignore[arg-type]  # as JSON
    batches = dataset.batches(sizes, order=dataset.Order(job.order))
    options = UploadOptions(batch_rows=sizes.batch_rows, form=Form(job.form))
    durable: list[tuple[float, Mapping[str, float]]] = []
    committed: dict[str, int] = {}  # rows by upload
    course: list[tuple[float, int]] = []  # of all uploads

    def on_progress(progress: Progress) -> None:
        committed[progress.upload] = progress.rows_committed
        course.append((time.perf_counter(), sum(committed.values())))
        if progress.stage is Stage.FINALIZING:  # every row is acknowledged
            durable.append((time.perf_counter(), meter.read()))

    async def upload(client: AsyncClient) -> UploadSummary:
        source = islice(cycle(batches), job.batches_per_stream)
        return await client.upload(source, options, on_progress=on_progress)

    async with AsyncClient() as client:
        meter = CpuMeter({name: psutil.Process(pid) for name, pid in {**job.pids, "client": os.getpid()}.items()})
        begin = time.perf_counter()
        summaries = await asyncio.gather(*(upload(client) for _ in range(job.streams)))
    end, cpu_s = durable[-1]
    return Uploaded(
        rows=sum(summary.rows for summary in summaries),
        rejected=sum(summary.rejected for summary in summaries),
        seconds=end - begin,
        flatness=_flatness([(at - begin, rows) for at, rows in course]),
        cpu_s=cpu_s,
    )


def _flatness(course: Sequence[tuple[float, int]]) -> float:
    """Return the speed of the last tenth of the rows by that of the first; `course` is seconds and rows so far."""
    every = course[-1][1]
    first = next(point for point in course if point[1] >= every / 10)
    before = next(point for point in course if point[1] >= every * 9 / 10)
    end = next(point for point in course if point[1] == every)
    return (end[1] - before[1]) / (end[0] - before[0]) / (first[1] / first[0]) if end[0] > before[0] else 1.0


if __name__ == "__main__":
    main()
