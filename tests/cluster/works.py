"""Pure, module-level functions for works; Ray's workers import them by name."""

import os
import signal
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from vcci_engine.activities import Activities
from vcci_engine.calculate import calculate
from vcci_engine.factors import FactorTable
from vcci_engine.results import Calculation

Arrays = dict[str, NDArray[np.float64]]


class NoFactor(ValueError):
    """An error of the work itself."""

    def __init__(self, row: int) -> None:
        super().__init__(f"row {row} has no factor")
        self.row = row

    def __reduce__(self) -> tuple[type["NoFactor"], tuple[int]]:
        return NoFactor, (self.row,)


def simulate(seed: int, rows: int) -> Arrays:
    """Draw from a counter-based generator: the same bits wherever it runs."""
    draws = np.random.Generator(np.random.Philox(key=seed)).lognormal(size=(rows, 16))
    return {"mean": draws.mean(axis=1), "gsd": np.exp(np.log(draws).std(axis=1))}


def inventory(factors: FactorTable, activities: Activities) -> Calculation:
    """Calculate with a shared factor table."""
    return calculate(activities, factors)


def look_up(table: Arrays, index: NDArray[np.int64]) -> NDArray[np.float64]:
    """Take rows of a shared table."""
    return table["factor"][index]


def identity(table: object) -> tuple[int, int]:
    """Return this process and where the shared value lives in it."""
    return os.getpid(), id(table)


def refuse(row: int) -> None:
    """Fail as a work may."""
    raise NoFactor(row)


def process() -> int:
    """Return the process that runs this."""
    return os.getpid()


def hang_once(marker: Path, value: int) -> int:
    """Hang at the first call, leaving the process in a file; return the value from the second on."""
    if not leave_process(marker):
        return value
    while True:
        signal.pause()


def spin(marker: Path) -> None:
    """Compute until interrupted, and tell so in a second file."""
    try:
        leave_process(marker)
        while True:
            pass
    except KeyboardInterrupt:
        marker.with_suffix(".interrupted").touch()
        raise


def die_elsewhere(home: int) -> int:
    """End any process but `home` without a word, as the out-of-memory killer does."""
    if os.getpid() != home:
        os._exit(1)
    return home


def leave_process(marker: Path) -> bool:
    """Write this process's id into a file that is complete from the start; tell whether the file is new."""
    draft = marker.with_suffix(f".{os.getpid()}")
    draft.write_text(str(os.getpid()))
    try:
        os.link(draft, marker)
    except FileExistsError:
        return False
    return True
