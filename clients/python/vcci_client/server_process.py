"""The server that is installed beside this client, as a process: the client imports nothing of it."""

import os
import subprocess
import sys
from functools import cache
from importlib.util import find_spec

NOT_INSTALLED = "The server is not installed here: pip install 'vcci[server]'"


def is_installed() -> bool:
    """Whether this machine can run the server."""
    return find_spec("vcci_server") is not None and find_spec("asyncpg") is not None


def server_command(*arguments: str) -> list[str]:
    """Return the command line of the server with these arguments."""
    return [sys.executable, "-m", "vcci_server", *arguments]


@cache
def development_token() -> str:
    """Return a token for the service of this machine and this user; "" when there is none."""
    if not is_installed():
        return ""
    done = subprocess.run(server_command("token"), capture_output=True, text=True, env=os.environ, check=False)  # noqa: S603
    return done.stdout.strip() if done.returncode == 0 else ""
