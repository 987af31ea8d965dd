"""Lines of transport added up: what was moved, at which emissions, with or without tonne-kilometres."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import fsum
from typing import TypeVar

from vcci_server.report import words
from vcci_server.report.facts import Factor, Facts, Operation
from vcci_server.report.modes import is_energy_provision, mode_of

G = 1e6  # of a tonne
TONNE_KM = "tonne*km"
HUB_METHODS = frozenset({"site_specific_distribution", "average_distribution"})
HUB_UNITS = frozenset({"tonne", "tonne*day", "m3*day", "m2*day", "item*day"})

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Move:
    """Lines of one chain, factor, method and unit, and what they are."""

    chain: str
    key: str
    name: str
    place: str  # the factor's region and year
    method: str
    unit: str  # of the amount; empty: none
    mode: str
    is_hub: bool
    is_provision: bool  # of energy only
    amount: float
    rows: int
    tonnes: float

    @property
    def in_tkm(self) -> bool:
        """Whether the activity is in tonne-kilometres."""
        return self.unit == TONNE_KM and not self.is_hub

    @property
    def stage(self) -> str:
        """What part of the life of energy the emissions are of."""
        return "provision" if self.is_provision else "operation, or all"


def moves_of(facts: Facts) -> list[Move]:
    """Return the operations with what their factors tell."""
    factors = {factor.factor_id: factor for factor in facts.factors}
    return [_move(of, factors.get(of.factor_id)) for of in facts.operations]


def _move(of: Operation, factor: Factor | None) -> Move:
    key, name = (factor.key, factor.name) if factor else ("carrier's own", "factor or emissions of the carrier")
    return Move(
        chain=of.chain,
        key=key,
        name=name,
        place=f"{factor.region or 'world'} {factor.year}" if factor else "",
        method=words.method_name(of.method),
        unit=of.unit,
        mode=mode_of(key, name),
        is_hub=of.method in HUB_METHODS or of.unit in HUB_UNITS,
        is_provision=factor is not None and is_energy_provision(key, name),
        amount=of.amount,
        rows=of.rows,
        tonnes=of.tonnes,
    )


@dataclass(frozen=True, slots=True)
class Moved:
    """Sums of moves; emissions in t CO2e."""

    lines: int
    elements: int  # lines other than those of energy provision
    all: float
    transport: float
    hubs: float
    provision: float
    amount: float  # in the unit of the moves, where it is one
    tonne_km: float
    with_tkm: float  # emissions of what is in tonne-kilometres, with the energy's provision
    line_tkm: float  # tonne-kilometres with those of lines of energy provision

    @classmethod
    def of(cls, moves: Sequence[Move]) -> "Moved":
        """Add up."""
        in_tkm = [move for move in moves if move.in_tkm]
        return cls(
            lines=sum(move.rows for move in moves),
            elements=sum(move.rows for move in moves if not move.is_provision),
            all=_tonnes(moves),
            transport=_tonnes(move for move in moves if not move.is_hub),
            hubs=_tonnes(move for move in moves if move.is_hub),
            provision=_tonnes(move for move in moves if move.is_provision),
            amount=fsum(move.amount for move in moves),
            tonne_km=fsum(move.amount for move in in_tkm if not move.is_provision),
            with_tkm=_tonnes(in_tkm),
            line_tkm=fsum(move.amount for move in in_tkm),
        )

    @property
    def without_tkm(self) -> float:
        """Emissions of transport whose activity is not in tonne-kilometres."""
        return self.transport - self.with_tkm

    @property
    def g_per_tkm(self) -> float | None:
        """Grams per tonne-kilometre moved, with the energy's provision; None where nothing is known to be moved."""
        return self.with_tkm * G / self.tonne_km if self.tonne_km else None

    @property
    def g_per_line_tkm(self) -> float | None:
        """Grams per tonne-kilometre of the lines, those of energy provision too."""
        return self.with_tkm * G / self.line_tkm if self.line_tkm else None


def moved_by(moves: Iterable[Move], key: Callable[[Move], K]) -> list[tuple[K, Moved]]:
    """Add up by keys, those with the most emissions first."""
    groups: dict[K, list[Move]] = defaultdict(list)
    for move in moves:
        groups[key(move)].append(move)
    found = [(of, Moved.of(group)) for of, group in groups.items()]
    return sorted(found, key=lambda pair: (-pair[1].all, str(pair[0])))


def _tonnes(moves: Iterable[Move]) -> float:
    return fsum(move.tonnes for move in moves)
