"""The memory of a process that a test watches."""

import psutil


class Memory:
    """A process's resident memory beyond what it was at first, and at most."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._first = self._process.memory_info().rss
        self.growth = 0

    def sample(self) -> int:
        """Look; return the memory."""
        rss: int = self._process.memory_info().rss
        self.growth = max(self.growth, rss - self._first)
        return rss
