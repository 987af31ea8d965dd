"""What the figures were measured on."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import psutil
from vcci_server.storage.binaries import system_binaries, wheel_binaries

PACKAGES = ("asyncpg", "grpcio", "numpy", "protobuf", "uvloop")
LOAD_BEFORE = os.getloadavg()[0]  # of the minute before this module was imported, which is before anything is measured


def facts() -> dict[str, str | int | float]:
    """Return the machine, the versions, and the load before; nothing that names the machine or its user."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "postgresql": [*system_binaries(), *wheel_binaries()][0].version,
        **{name: version(name) for name in PACKAGES},
        "load_before": round(LOAD_BEFORE, 2),
    }


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, "") or platform.processor() or platform.machine()
