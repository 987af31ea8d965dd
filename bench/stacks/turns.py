"""How a peer is told what to do: a job in JSON as its argument, then a line on its stdin for each turn."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.stacks.calculation import Batch, Reference, load_batch, load_reference


@dataclass(frozen=True, slots=True)
class Job:
    """The files to read, where to store, and for a client where its server listens."""

    database_url: str
    reference: str
    batches: list[str]
    server: str = ""

    @classmethod
    def of_arguments(cls) -> "Job":
        """Return what this process has been told."""
        return cls(**json.loads(sys.argv[1]))

    def load(self) -> tuple[list[Batch], Reference]:
        """Read the files."""
        return [load_batch(path) for path in self.batches], load_reference(self.reference)


def take_turns(upload: Callable[[], int]) -> None:
    """Upload once for each line; tell how many rows became durable, and in how many seconds."""
    print("ready", flush=True)
    for _ in sys.stdin:
        begin = time.perf_counter()
        rows = upload()
        print(json.dumps({"rows": rows, "seconds": time.perf_counter() - begin}), flush=True)
