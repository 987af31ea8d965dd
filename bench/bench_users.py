"""A thousand users, and more calls than can be answered."""

import numpy as np

from bench.harness import Harness, Timed
from bench.load import Load, Outcome, arrivals_s, run
from bench.mix import mix
from bench.processes import CpuMeter
from bench.service import Service
from bench.sizes import Sizes

PAUSE_S = (1.0, 3.0)
P95_MS, P99_MS = 50.0, 100.0
TIMEOUT_S = 10.0
BUSY_CALLERS, CONNECTIONS = 32, 16
TIMES, AFTERWARDS = 2.0, 0.5  # the capacity
AFTERWARDS_S = 6.0
ANSWERED_S = 1.0  # later, nobody waits any more
GOODPUT, RECOVERY_S = 0.9, 5.0
WINDOW_S = 0.5


def test_users(harness: Harness, filled: Service, sizes: Sizes) -> None:
    """How long do users wait who list suppliers three times, see the dashboard and calculate once, and pause for one to
    three seconds before each call?
    """

    def use() -> Timed:
        meter = CpuMeter({"server": filled.process, "postgres": filled.postgres})
        outcome = run(Load(sizes.users_s, sizes.users, min(sizes.users, sizes.user_connections), PAUSE_S), *mix(filled))
        cpu_us = {f"{name} CPU us/call": cpu_s / len(outcome.statuses) * 1e6 for name, cpu_s in meter.read().items()}
        figures = {**outcome.figures(), "errors": float((~outcome.answered).sum()), **cpu_us}
        return Timed(figures, outcome.latencies)

    harness.once({"users": use}, {"users": filled.process})
    harness.bound("errors", "users", at_most=0)
    harness.bound("p95 ms", "users", at_most=P95_MS)
    harness.bound("p99 ms", "users", at_most=P99_MS)


def test_overload(harness: Harness, filled: Service, sizes: Sizes) -> None:
    """What is answered of twice as many calls as can be, and how soon is all as before when half as many come again?"""
    peak = 0.0

    def busy() -> Timed:
        nonlocal peak
        load = Load(sizes.overload_s, BUSY_CALLERS, CONNECTIONS)
        run(load, *mix(filled, TIMEOUT_S))  # warms up
        outcome = run(load, *mix(filled, TIMEOUT_S))
        peak = outcome.figures()["calls/s"]
        return Timed(outcome.figures(), outcome.latencies)

    def too_many() -> Timed:
        end = sizes.overload_s
        rush = [moment for moment in arrivals_s(TIMES * peak, 2 * end) if moment < end]
        calm = [end + moment for moment in arrivals_s(AFTERWARDS * peak, AFTERWARDS_S)]
        outcome = run(Load(connections=CONNECTIONS, arrivals_s=rush + calm), *mix(filled, TIMEOUT_S))
        in_time = outcome.answered & (outcome.latencies_s < ANSWERED_S) & (outcome.due_s < end)
        refused = ~outcome.answered
        figures = {
            "calls/s": float(in_time.sum()) / end,
            "refused": float(refused.sum()),
            "refused after ms": float(np.median(outcome.latencies_s[refused])) * 1e3 if refused.any() else 0.0,
            "recovery s": recovery_s(outcome, end),
        }
        return Timed({**outcome.figures(), **figures}, outcome.latencies)

    harness.once({"at capacity": busy, "at twice the capacity": too_many}, {"at twice the capacity": filled.process})
    harness.ratio("calls/s", "at twice the capacity", "at capacity", at_least=GOODPUT)
    harness.bound("recovery s", "at twice the capacity", at_most=RECOVERY_S)


def recovery_s(outcome: Outcome, end: float) -> float:
    """Return how long after the rush there was still half a second in which calls were refused or slow."""
    last = 0.0
    for begin in np.arange(end, end + AFTERWARDS_S, WINDOW_S):
        due = (outcome.due_s >= begin) & (outcome.due_s < begin + WINDOW_S)
        slow = due.any() and np.percentile(outcome.latencies_s[due], 95) * 1e3 > P99_MS
        if slow or not outcome.answered[due].all():
            last = float(begin) + WINDOW_S - end
    return last
