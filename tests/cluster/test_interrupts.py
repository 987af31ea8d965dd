"""Calls on threads end when they are interrupted, and nothing else of their thread does."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from vcci_cluster.interrupts import Interrupted, Interruptible

from tests.waiting import wait_until


def count_up(counted: list[int]) -> None:
    """Count until interrupted."""
    while True:
        counted[0] += 1


def test_an_interrupted_call_ends() -> None:
    counted = [0]
    call = Interruptible(count_up, counted)
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(call)
        wait_until(lambda: counted[0] > 0)
        call.interrupt()
        with pytest.raises(Interrupted):
            running.result()


def test_the_next_call_of_the_thread_is_left_alone() -> None:
    """Interrupts that come as calls end: whichever was first, the thread computes on."""
    with ThreadPoolExecutor(1) as thread:
        for _ in range(2_000):
            call = Interruptible(sum, range(300))
            running = thread.submit(call)
            call.interrupt()
            following = thread.submit(Interruptible(sum, range(100)))
            assert running.exception() is None or isinstance(running.exception(), Interrupted)
            assert following.result() == 4_950


def test_a_call_that_has_ended_or_not_begun_is_not_interrupted() -> None:
    call = Interruptible(threading.get_ident)
    call.interrupt()
    assert call() == threading.get_ident()
    call.interrupt()
