"""Errors of distribution; a full lane is the engine's `Overloaded`, an error of the work itself passes unchanged."""

from vcci_engine.errors import VcciError


class RayUnavailable(VcciError):
    """Ray cannot be started or joined."""


class TimeLimitExceeded(VcciError):
    """The work took longer than its limit."""

    reason = "TIME_LIMIT_EXCEEDED"


class RayLost(Exception):
    """Ray lost a work: its worker, node or the whole cluster went. Never leaves this package: the work runs again."""
