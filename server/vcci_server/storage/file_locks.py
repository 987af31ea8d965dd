"""Locks on files, which the kernel drops with the last process that holds them, however it ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock alone; wait for it."""
    file = _open(path)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def share(path: Path) -> int:
    """Hold the lock with others, until `release`; wait for who holds it alone."""
    file = _open(path)
    fcntl.flock(file, fcntl.LOCK_SH)
    return file


def release(file: int) -> bool:
    """Give up a shared lock; tell whether nobody else holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(file)
    return True


def try_lock(path: Path) -> int | None:
    """Hold the lock alone as long as the file is open, here or in a process that inherits it; None: it is held."""
    file = _open(path)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file


def is_held(path: Path) -> bool:
    """Tell whether somebody holds the lock."""
    file = try_lock(path)
    if file is not None:
        os.close(file)
    return file is None


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
