"""CPU and memory of the processes that take part, by the kernel's own accounts."""

import threading
from collections.abc import Mapping
from contextlib import suppress

import psutil

SAMPLE_S = 0.1


def cpu_s(process: psutil.Process) -> float:
    """Return the CPU seconds of a process and all its descendants so far, those that ended included."""
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        try:
            total += sum(one.cpu_times()[:4])  # user, system, and those of the children that it waited for
        except psutil.NoSuchProcess:
            continue  # it has just ended: its parent has its time by now, or will have
    return total


class CpuMeter:
    """CPU seconds of named processes since it was made."""

    def __init__(self, processes: Mapping[str, psutil.Process]) -> None:
        self._processes = processes
        self._begin = {name: cpu_s(process) for name, process in processes.items()}

    def read(self) -> dict[str, float]:
        return {name: cpu_s(process) - self._begin[name] for name, process in self._processes.items()}

    def per_million(self, rows: int) -> dict[str, float]:
        """Return the figures of a turn: CPU seconds per million rows by process."""
        return {f"{name} CPU-s/M": cpu / rows * 1e6 for name, cpu in self.read().items()}


class MemoryCurve:
    """Resident bytes of a process and those that it has started, ten times a second, while it is entered."""

    def __init__(self, process: psutil.Process) -> None:
        self.bytes: list[int] = []
        self._processes = [process, *process.children(recursive=True)]  # once: to look for them takes milliseconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def __enter__(self) -> "MemoryCurve":
        self.bytes.append(self._resident())
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def peak_bytes(self) -> int:
        """The most that it ever was."""
        return max(self.bytes)

    @property
    def growth_bytes(self) -> int:
        """The most that it ever grew beyond the beginning."""
        return self.peak_bytes - self.bytes[0]

    def _sample(self) -> None:
        while not self._stop.wait(SAMPLE_S):
            self.bytes.append(self._resident())

    def _resident(self) -> int:
        total = 0
        for process in self._processes:
            with suppress(psutil.NoSuchProcess):  # a worker that has ended
                total += process.memory_info().rss
        return total
