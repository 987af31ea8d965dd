"""Serves like `python -m vcci_server`, and kills itself with SIGKILL at a moment that no caller could hit.

launcher.py MOMENT N serve …    at the n-th time that it is

before_copy     nothing is copied
after_copy      the segments are copied, and the ledger has not moved
after_commit    it is committed, and not acknowledged
"""

import os
import signal
import sys
from types import ModuleType
from typing import Any

from vcci_server import __main__, uploads
from vcci_server.storage import ingest


def main() -> None:
    """Arm the moment, then serve."""
    moment, times = sys.argv[1], int(sys.argv[2])
    del sys.argv[1:3]
    if moment == "after_commit":
        _arm(uploads, "commit_batches", times, after=True)
    else:
        _arm(ingest, "copy_segments", times, after=moment == "after_copy")
    __main__.main()


def _arm(module: ModuleType, name: str, times: int, *, after: bool) -> None:
    """Make a function of a module kill the process in its n-th call, before or after it has done its work."""
    function = getattr(module, name)
    calls = 0

    async def deadly(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        is_the_call = calls == times  # others may begin before it ends
        if is_the_call and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = await function(*args, **kwargs)
        if is_the_call:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(module, name, deadly)


if __name__ == "__main__":
    main()
