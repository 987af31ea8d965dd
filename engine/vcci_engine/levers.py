"""What could be done otherwise, and what becomes of emissions by it.

A cell is lines that every lever treats alike, with one factor. Where it stands after some levers is its parts: by
factor, how much of the cell's activity now has it, and the weight of its emissions against those of the cell as it was.
At first a cell has one part, its own factor with all of both. Levers act one after the other, on what is left by those
before.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from math import fsum
from typing import NamedTuple

from vcci_engine.regions import MEMBERS, WORLD
from vcci_engine.units import Unit

EMISSION_FREE = -1  # stands for a factor of nothing
NEAR_TERM = 0.042  # a year: SBTi Corporate Near-term Criteria, cross-sector absolute reduction for 1.5 degrees C


@dataclass(frozen=True, slots=True)
class Factor:
    """An emission factor."""

    id: int
    key: str
    region: str
    year: int
    unit: Unit
    kg_co2e: float  # per unit
    sigma2: float  # variance of its ln


@dataclass(frozen=True, slots=True)
class Cell:
    """Sums of lines that every lever treats alike, without the factor's uncertainty (`totals.Terms`)."""

    scopes: int  # bit n: it is within scope n
    factor: int  # 0: the suppliers' own
    rows: int
    ug: int
    mean: int
    variance: int
    third: int
    pool: int = 0  # cells whose quantities can be added: one category, one dimension
    quantity: float = 0.0  # in the pool's unit


@dataclass(frozen=True, slots=True)
class Scale:
    """Emissions x ratio; the activity too, or emissions per activity only."""

    ratio: float
    activity: bool


@dataclass(frozen=True, slots=True)
class Pathway:
    """Emissions fall by an equal part of the base year's every year."""

    base_year: int
    target_year: int
    annual: float = NEAR_TERM

    def at(self, year: int) -> Scale:
        """Return the reduction of a year; before the base year none, after the target year that of it."""
        years = min(max(year, self.base_year), self.target_year) - self.base_year
        return Scale(max(1 - self.annual * years, 0.0), activity=False)


@dataclass(frozen=True, slots=True)
class Replace:
    """A share of the activity gets another factor: the newest of `targets` for its region, or none (emission-free)."""

    share: float
    targets: tuple[Factor, ...] = ()
    amount: float = 1.0  # activity that replaces one unit: a detour, a lower efficiency


@dataclass(frozen=True, slots=True)
class Move:
    """A share of the quantity is bought of the supplier of scope `to` instead, at its emissions per quantity."""

    share: float
    to: int


@dataclass(frozen=True, slots=True)
class Lever:
    """A change of the cells within a scope, of their parts with certain factors."""

    scope: int
    change: Scale | Pathway | Replace | Move
    factors: tuple[str, ...] = ()  # keys `source:code`, or `source:*`; none: all

    def matches(self, factor: Factor | None) -> bool:
        """Tell whether it changes parts with a factor; None is the suppliers' own."""
        if not self.factors:
            return True
        return factor is not None and (
            factor.key in self.factors or f"{factor.key.partition(':')[0]}:*" in self.factors
        )


class Part(NamedTuple):
    """Of a cell's activity and emissions as they were, what one factor has now."""

    activity: float
    weight: float


Parts = dict[int, Part]  # by factor
Factors = Mapping[int, Factor]


class Applied(NamedTuple):
    """Where cells stand after a lever; the rows it is about, and those of them that it could not change."""

    parts: list[Parts]
    rows: int
    unchanged_rows: int


def at_first(cells: Iterable[Cell]) -> list[Parts]:
    """Return the cells as they are."""
    return [{cell.factor: Part(1.0, 1.0)} for cell in cells]


def at_year(levers: Sequence[Lever], year: int) -> list[Lever]:
    """Return the levers with each pathway as far as it is in a year."""
    return [
        replace(lever, change=lever.change.at(year)) if isinstance(lever.change, Pathway) else lever for lever in levers
    ]


def apply(lever: Lever, cells: Sequence[Cell], before: Sequence[Parts], factors: Factors) -> Applied:
    """Return where cells stand after a lever."""
    change = lever.change
    if isinstance(change, Pathway):
        change = change.at(change.target_year)
    growth = _growth(lever, change, cells, before, factors) if isinstance(change, Move) else {}
    after, rows, unchanged = [], 0, 0
    for cell, parts in zip(cells, before, strict=True):
        if isinstance(change, Move) and cell.scopes >> change.to & 1:
            after.append(_scaled(parts, parts, growth.get(cell.pool, 1.0), activity=True))
            continue
        meant = _meant(lever, cell, parts, factors)
        changed = _changed(parts, meant, change, factors, movable=cell.pool in growth) if meant else parts
        after.append(changed)
        rows += cell.rows if meant else 0
        unchanged += cell.rows if meant and changed is parts else 0
    return Applied(after, rows, unchanged)


def _meant(lever: Lever, cell: Cell, parts: Parts, factors: Factors) -> list[int]:
    """Return the factors of the parts that a lever is about."""
    if not cell.scopes >> lever.scope & 1:
        return []
    return [factor for factor in parts if lever.matches(factors.get(factor))]


def _changed(
    parts: Parts, meant: Sequence[int], change: Scale | Replace | Move, factors: Factors, *, movable: bool
) -> Parts:
    """Return the parts with those that are meant changed; the same object when none can be."""
    if isinstance(change, Replace):
        return _replaced(parts, meant, change, factors)
    if isinstance(change, Scale):
        return _scaled(parts, meant, change.ratio, activity=change.activity)
    return _scaled(parts, meant, 1 - change.share, activity=True) if movable else parts


def _scaled(parts: Parts, meant: Iterable[int], ratio: float, *, activity: bool) -> Parts:
    of_activity = ratio if activity else 1.0
    return {**parts, **{f: Part(parts[f].activity * of_activity, parts[f].weight * ratio) for f in meant}}


def _replaced(parts: Parts, meant: Sequence[int], change: Replace, factors: Factors) -> Parts:
    found = {factor: target for factor in meant if (target := _target(factors.get(factor), change)) is not None}
    if not found:
        return parts
    new = dict(parts)
    for factor, (to, ratio) in found.items():
        activity, weight = parts[factor].activity * change.share, parts[factor].weight * change.share
        new[factor] = Part(new[factor].activity - activity, new[factor].weight - weight)
        there = new.get(to, Part(0.0, 0.0))
        new[to] = Part(there.activity + activity * change.amount, there.weight + weight * ratio)
    return {factor: part for factor, part in new.items() if any(part)}


def _target(factor: Factor | None, change: Replace) -> tuple[int, float] | None:
    """Return the factor that takes another's place, and the ratio of emissions; None when there is none."""
    if factor is None or not factor.kg_co2e:
        return None
    if not change.targets:
        return EMISSION_FREE, 0.0
    same = [target for target in change.targets if target.unit.dimensions == factor.unit.dimensions]
    region = _region(factor.region, {target.region for target in same})
    if region is None:
        return None
    target = max((each for each in same if each.region == region), key=lambda each: (each.year, each.id))
    per_root = [of.kg_co2e / float(of.unit.scale) for of in (target, factor)]
    return target.id, per_root[0] / per_root[1] * change.amount


def _region(region: str, known: Set[str]) -> str | None:
    """Return the region that stands for another, as for activities (`factor_lookup.resolve`)."""
    if region in known:
        return region
    if wider := [name for name in known if region in MEMBERS.get(name, ())]:
        return max(wider, key=lambda name: (-len(MEMBERS[name]), name))
    if WORLD in known:
        return WORLD
    return next(iter(known)) if len(known) == 1 else None


def _growth(
    lever: Lever, change: Move, cells: Sequence[Cell], before: Sequence[Parts], factors: Factors
) -> dict[int, float]:
    """Return the ratio by which the other supplier sells more, by pool; none of those in which it sells nothing."""
    leaving: dict[int, list[float]] = {}
    there: dict[int, list[float]] = {}
    for cell, parts in zip(cells, before, strict=True):
        is_there = cell.scopes >> change.to & 1
        meant = parts if is_there else _meant(lever, cell, parts, factors)
        activity = fsum(parts[factor].activity for factor in meant)
        (there if is_there else leaving).setdefault(cell.pool, []).append(cell.quantity * activity)
    sold = {pool: fsum(quantities) for pool, quantities in there.items()}
    return {
        pool: 1 + change.share * fsum(quantities) / sold[pool]
        for pool, quantities in leaving.items()
        if sold.get(pool, 0.0) > 0
    }
