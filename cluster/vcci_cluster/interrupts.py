"""Calls on a thread that another thread can interrupt: what is computed for nobody ends at its next line of Python."""

import ctypes
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

R = TypeVar("R")


class Interrupted(BaseException):
    """Raised in a thread whose work nobody waits for any more; not an Exception, so that no work takes it for its own.

    A call into C code runs to its end first.
    """


class Interruptible(Generic[R]):
    """One call, made once; it can be interrupted while it runs, and nothing else of its thread can."""

    def __init__(self, function: Callable[..., R], *args: object) -> None:
        self._function = function
        self._args = args
        self._lock = threading.Lock()
        self._thread: int | None = None

    def __call__(self) -> R:
        """Make the call, on this thread."""
        try:
            self._thread = threading.get_ident()
            return self._function(*self._args)
        finally:
            self._end()

    def interrupt(self) -> None:
        """Raise Interrupted in the thread, unless the call has ended or not begun; from another thread, once."""
        with self._lock:
            if self._thread is not None:
                _raise_in(self._thread, Interrupted)

    def _end(self) -> None:
        with self._lock:  # an interrupt that comes before is raised here at the latest, one that comes after is none
            if self._thread is not None:
                _raise_in(self._thread, None)
            self._thread = None


def _raise_in(thread: int, kind: type[BaseException] | None) -> None:
    """Have a thread raise an exception at its next line; None takes back one that it has not raised yet."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(kind) if kind else None)
