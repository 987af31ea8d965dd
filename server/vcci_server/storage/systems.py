"""Systems of an upload: lines whose shares sum to 1, which its batches may have torn apart.

Only segments with groups, inputs and such methods are read; of each system one number is in memory.
"""

import asyncio
from collections import defaultdict
from datetime import date, timedelta
from typing import NamedTuple

import asyncpg
import numpy as np
from vcci_engine.declared import SHARES_TOLERANCE, WHOLES
from vcci_engine.errors import WrongState
from vcci_engine.inputs import spread
from vcci_engine.methods import METHODS
from vcci_engine.segments import decode, decode_inputs, decode_strings, decode_totals

from vcci_server.storage.pool import Connection
from vcci_server.storage.queries import QUERIES

_METHODS = {whole: [method.number for method in METHODS if method.whole == whole] for whole in WHOLES}
_NUMBERS = [number for numbers in _METHODS.values() for number in numbers]


class System(NamedTuple):
    """What the lines of a system have in common."""

    whole: str  # the input that is summed
    supplier: int
    group: str
    category: int
    method: int
    day: date


Sums = defaultdict[System, float]


async def check_shares(db: Connection, tenant_id: int, upload_id: int) -> None:
    """Raise WrongState unless the shares of every system of an upload sum to 1."""
    sums: Sums = defaultdict(float)
    for segment in await db.fetch(QUERIES["segments_of_groups"], tenant_id, upload_id):
        if np.isin(decode_totals(segment["totals"]).method, _NUMBERS).any():
            key = (segment["merge_version"], segment["batch_offset"], segment["segment"], segment["quarter"])
            (lines,) = await db.fetch(QUERIES["lines_of_groups"], tenant_id, upload_id, *key)
            await asyncio.to_thread(_add, sums, lines)
    for system, total in sums.items():
        if abs(total - 1) > SHARES_TOLERANCE:
            raise _refusal(system, total)


def _add(sums: Sums, lines: asyncpg.Record) -> None:
    n, quarter = lines["n"], lines["quarter"]
    supplier, category, method, period = (
        decode(name, lines[name]) for name in ("supplier", "category", "method", "period")
    )
    groups, inputs = decode_strings(lines["group"], n), decode_inputs(lines["inputs"], n)
    for whole, numbers in _METHODS.items():
        rows = np.flatnonzero(np.isin(method, numbers)).tolist()
        if not rows:
            continue
        shares = spread(inputs[whole], n)
        for row in rows:
            day = quarter + timedelta(int(period[row]))
            system = System(whole, int(supplier[row]), groups[row], int(category[row]), int(method[row]), day)
            sums[system] += float(shares[row])


def _refusal(system: System, total: float) -> WrongState:
    name = METHODS[system.method - 1].name
    return WrongState(
        f"The shares (inputs.{system.whole}) of the group {system.group!r} sum to {total:g}, not 1, "
        f"for {name} in category {system.category} on {system.day}: append what is missing, or abandon the upload",
        reason="SHARES_NOT_WHOLE",
        metadata={"group": system.group, "sum": f"{total:g}", "field": f"inputs.{system.whole}", "method": name},
    )
