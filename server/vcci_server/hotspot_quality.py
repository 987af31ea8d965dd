"""Where better data would tell most about the total."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from vcci_engine.activities import FloatArray
from vcci_engine.hotspots import descending, pareto
from vcci_engine.improvement import better_scores, improved, sensitivity
from vcci_engine.quality import VARIANCE, pack
from vcci_engine.totals import ug_ints
from vcci_engine.uncertainty import Estimate

from vcci_server.hotspot_groups import Question
from vcci_server.hotspot_passes import (
    BETTER,
    KG,
    NARROWING,
    NOW,
    WEIGHT,
    WEIGHTED_VARIANCE,
    better_sums,
    quality_tally,
)
from vcci_server.hotspot_reading import Whole
from vcci_server.storage.passes import Tally, combine_tallies, no_tally, pass_over
from vcci_server.storage.sums import SUMMED, Keys, combine, nothing

SAME = 1 + 1e-6  # variances this close are not worse: sums are of rounded rows

Quadrant = tuple[bool, bool]  # is large, is poorly known


@dataclass(frozen=True, slots=True)
class Known:
    """Every group's size, and how well it is known; [G] each."""

    ids: Keys
    kg_co2e: FloatArray
    narrowing: FloatArray  # of the total's interval, to first order, kg
    gsd2: FloatArray
    is_large: npt.NDArray[np.bool_]
    is_poor: npt.NDArray[np.bool_]

    def quadrant(self, number: int) -> Quadrant:
        """Return the quadrant of a group."""
        return bool(self.is_large[number]), bool(self.is_poor[number])


@dataclass(frozen=True, slots=True)
class Improvement:
    """What better data about a group would do."""

    label: str
    rows: int
    estimate: Estimate
    quadrant: Quadrant
    gsd2: float
    narrowing_kg_co2e: float
    total: Estimate


@dataclass(frozen=True, slots=True)
class QuadrantTotal:
    """What the groups of a quadrant come to."""

    quadrant: Quadrant
    groups: int
    kg_co2e: float
    narrowing_kg_co2e: float


async def improvements(question: Question, total: Whole) -> tuple[list[Improvement], list[QuadrantTotal]]:
    """Return what better data would do about those groups that it would do most about, and the quadrants of all."""
    known = await _known(question, total)
    first = np.lexsort((known.ids, -known.narrowing))[: question.limit]
    found = await _improvements(question, total, known, first)
    return sorted(found, key=lambda group: -group.narrowing_kg_co2e), _quadrants(known)


async def _known(question: Question, total: Whole) -> Known:
    """Rank all groups in one pass over the rows."""
    of_chunk = partial(
        quality_tally,
        chosen=question.chosen,
        by=question.by,
        factors=total.factors,
        width=await question.run(sensitivity, total.terms, total.sigma2),
        better=better_scores(question.target_quality),
    )
    segments = await question.segments([question.by, *SUMMED])
    tally = await pass_over(question.run, segments, of_chunk, combine_tallies, no_tally(1, 4))
    target = float(VARIANCE[int(pack(np.array([question.target_quality], np.uint32))[0])])
    return await question.run(_known_of, tally, question.pareto_share, target)


def _known_of(tally: Tally, share: float, target: float) -> Known:
    """Tell the size of each group, and whether its scores are worse than the target's, by variance."""
    (ids,) = tally.keys
    ug = ug_ints(tally.sums[KG])
    is_large = np.zeros(len(ug), np.bool_)
    high, low = tally.sums[KG].T
    order = np.lexsort((ids, -low, -high))
    is_large[order[: pareto(descending(ug), share).groups]] = True
    weight, weighted = tally.amounts(WEIGHT), tally.amounts(WEIGHTED_VARIANCE)
    variance = np.divide(weighted, weight, out=np.zeros(len(weight)), where=weight > 0)
    gsd2 = np.exp(2 * np.sqrt(variance))
    return Known(ids, tally.amounts(KG), tally.amounts(NARROWING), gsd2, is_large, variance > target * SAME)


async def _improvements(question: Question, total: Whole, known: Known, first: Keys) -> list[Improvement]:
    """Make the total anew for some groups with better data, in one pass over their rows."""
    ids = known.ids[first]
    only = question.only(ids)
    of_chunk = partial(better_sums, chosen=only.chosen, by=only.by, better=better_scores(question.target_quality))
    sums = await pass_over(only.run, await only.segments([only.by, *SUMMED]), of_chunk, combine, nothing(3))
    meant = sums.where(np.isin(sums.keys[0], ids))  # by category, the pass has seen the others too
    now, better = (meant.where(meant.keys[2] == number) for number in (NOW, BETTER))
    place = {number: place for place, number in enumerate(ids.tolist())}
    group = np.array([place[number] for number in now.keys[0].tolist()], np.intp)
    factor = np.searchsorted(total.factors, now.keys[1])
    of_total = total.terms, total.sigma2
    totals = await question.run(improved, *of_total, group, len(ids), factor, now.terms, better.terms)
    estimates = await question.estimates(now, now.keys[1], group, len(ids))
    rows = Counter[int]()
    for number, count in zip(group.tolist(), now.terms.rows.tolist(), strict=True):
        rows[number] += count
    labels = await question.label(ids)
    return [
        Improvement(
            label=labels[place],
            rows=rows[place],
            estimate=estimates[place],
            quadrant=known.quadrant(number),
            gsd2=float(known.gsd2[number]),
            narrowing_kg_co2e=width(total.estimate) - width(totals[place]),
            total=totals[place],
        )
        for place, number in enumerate(first.tolist())
    ]


def _quadrants(known: Known) -> list[QuadrantTotal]:
    found = []
    for is_large, is_poor in ((True, True), (True, False), (False, True), (False, False)):
        meant = (known.is_large == is_large) & (known.is_poor == is_poor)
        amounts = (_sum(values[meant].tolist()) for values in (known.kg_co2e, known.narrowing))
        found.append(QuadrantTotal((is_large, is_poor), int(meant.sum()), *amounts))
    return found


def _sum(values: Sequence[float]) -> float:
    return sum(round(value * 1e9) for value in values) / 10**9


def width(of: Estimate) -> float:
    """Return the width of an estimate's 95 % interval, kg CO2e."""
    return of.high - of.low
