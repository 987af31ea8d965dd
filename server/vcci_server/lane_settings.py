"""The setting VCCI_LANES: what an operator changes of the lanes, as text."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from vcci_cluster import LANES, Lane

KINDS = {"weight": int, "waiting": int, "in_flight": int, "time_limit_s": float, "ray_resource": str}


def lanes_of(text: str, lanes: Sequence[Lane] = LANES) -> tuple[Lane, ...]:
    """Return the lanes with the changes of `LANE: FIELD=VALUE, FIELD=VALUE; LANE: …`; raise ValueError, which says why.

    A lane may be empty of waiting works, and has a weight and limits above 0.
    """
    found = {lane.name: lane for lane in lanes}
    for part in filter(str.strip, text.split(";")):
        name, _, fields = part.partition(":")
        lane = found.get(name.strip())
        if lane is None:
            raise ValueError(f"there is no lane {name.strip()!r}, expected one of {', '.join(found)}")
        found[lane.name] = replace(lane, **dict(_field(field) for field in fields.split(",")))
    return tuple(found.values())


def _field(text: str) -> tuple[str, Any]:
    name, _, value = (word.strip() for word in text.partition("="))
    if name not in KINDS:
        raise ValueError(f"a lane has no {name!r}, expected one of {', '.join(KINDS)}")
    try:
        read = KINDS[name](value)
    except ValueError:
        raise ValueError(f"{name}: found {value!r}, expected a number") from None
    if isinstance(read, (int, float)) and not (read > 0 or (read == 0 and name == "waiting")):
        raise ValueError(f"{name}: found {value!r}, expected more than 0")
    return name, read
