"""When does sending a work to Ray pay? Works of growing length, on threads of one process and on a local Ray.

    python -m bench.placement

For each length and kind (pure Python holds the interpreter lock, NumPy lets go of it): works per second with eight
under way, the process's own CPU per work, and how late the event loop runs meanwhile (99th percentile).
"""

import asyncio
import os
from collections.abc import Callable
from time import perf_counter, process_time

import numpy as np
from numpy.typing import NDArray
from vcci_cluster import Executor, Work, open_executor

CORES = os.cpu_count() or 1
CONCURRENT = 8
SECONDS = 2.0
ROWS = 10_000  # of nine float64 columns, there and back
LENGTHS_MS = (1, 2, 5, 10, 20, 50, 100)
Columns = list[NDArray[np.float64]]


def python_work(units: int, columns: Columns) -> Columns:
    """Hold the interpreter lock."""
    for number in range(units):
        number * number
    return columns


def numpy_work(units: int, columns: Columns) -> Columns:
    """Let go of the interpreter lock, as the engine's kernels do: arrays that fit the cache."""
    values = np.linspace(0.0, 1.0, 10_000)
    for _ in range(units):
        np.sqrt(values, out=values)
    return columns


async def main() -> None:
    """Measure and print a table."""
    columns = [np.zeros(ROWS) for _ in range(9)]
    print("| work | ms | threads: works/s | CPU ms | loop p99 ms | Ray: works/s | CPU ms | loop p99 ms |")
    print("|---|---|---|---|---|---|---|---|")
    async with open_executor(None, threads=CORES) as local, open_executor("local", threads=CORES) as ray:
        for function in (python_work, numpy_work):
            per_ms = _units_per_ms(function)
            for length_ms in LENGTHS_MS:
                units = max(1, round(per_ms * length_ms))
                work = Work("bench", function, (units, columns), estimated_s=60.0, rows=ROWS)
                cells = [f"{value:.1f}" for executor in (local, ray) for value in await _measure(executor, work)]
                print("|", " | ".join([function.__name__, str(length_ms), *cells]), "|", flush=True)


def _units_per_ms(function: Callable[[int, Columns], Columns]) -> float:
    units = 1
    while True:
        started = perf_counter()
        function(units, [])
        if (seconds := perf_counter() - started) > 0.2:
            return units / seconds / 1000
        units *= 2


async def _measure(executor: Executor, work: Work[Columns]) -> tuple[float, float, float]:
    """Return works per second, the process's own CPU milliseconds per work, and the loop's lateness in milliseconds."""
    await asyncio.gather(*(executor.run(work) for _ in range(CONCURRENT)))
    started, cpu, end = perf_counter(), process_time(), perf_counter() + SECONDS
    late = asyncio.create_task(_lateness(end))
    done = sum(await asyncio.gather(*(_repeat(executor, work, end) for _ in range(CONCURRENT))))
    seconds, cpu = perf_counter() - started, process_time() - cpu
    return done / seconds, cpu / done * 1000, await late * 1000


async def _repeat(executor: Executor, work: Work[Columns], end: float) -> int:
    done = 0
    while perf_counter() < end:
        await executor.run(work)
        done += 1
    return done


async def _lateness(end: float) -> float:
    late = []
    while (now := perf_counter()) < end:
        await asyncio.sleep(0.001)
        late.append(perf_counter() - now - 0.001)
    return float(np.percentile(late, 99))


if __name__ == "__main__":
    from bench.placement import main  # so that Ray's workers find the works by name

    asyncio.run(main())
