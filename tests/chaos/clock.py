"""A wall clock that jumps: of the processes that are started with its environment, and of no other."""

import shutil
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")


class Clock:
    """A shift in seconds, in a file that those processes have mapped; where there is no C compiler, it cannot jump."""

    def __init__(self, folder: Path, name: str) -> None:
        self._file = folder / f"{name}.clock"
        self._file.write_bytes(struct.pack("@l", 0))
        self._file.chmod(0o644)
        self._library = folder / "clock.so"
        self.jumps = bool(compiler := shutil.which("cc") or shutil.which("gcc"))
        if compiler and not self._library.exists():
            options = ["-shared", "-fPIC", "-O2", "-o", str(self._library), str(SOURCE), "-ldl"]
            subprocess.run([compiler, *options], check=True)
            self._library.chmod(0o755)

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process is started with, so that it goes by this clock."""
        return {"LD_PRELOAD": str(self._library), "CHAOS_CLOCK": str(self._file)} if self.jumps else {}

    def shift(self, seconds: int) -> None:
        """Let it be off by so much from now on."""
        with self._file.open("r+b") as file:  # in place: the file is mapped
            file.write(struct.pack("@l", seconds))
