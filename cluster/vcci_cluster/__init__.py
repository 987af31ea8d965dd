"""Distribution: pure work runs on a thread of this process, or on Ray where it pays."""

from vcci_cluster.errors import RayUnavailable, TimeLimitExceeded
from vcci_cluster.lanes import LANES, Lane
from vcci_cluster.placement import DEFAULT_RAY_THRESHOLD_S, Executor, open_executor, place
from vcci_cluster.work import Observe, Place, RayOptions, Work

__all__ = [
    "DEFAULT_RAY_THRESHOLD_S",
    "LANES",
    "Executor",
    "Lane",
    "Observe",
    "Place",
    "RayOptions",
    "RayUnavailable",
    "TimeLimitExceeded",
    "Work",
    "open_executor",
    "place",
]
