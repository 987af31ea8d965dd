"""Which groups make most of the emissions: the Pareto set, concentration, the largest groups."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from vcci_engine.activities import Positions
from vcci_engine.hotspots import Concentration, Pareto, concentration, pareto
from vcci_engine.totals import Terms, ug_ints
from vcci_engine.uncertainty import Estimate

from vcci_server.hotspot_reading import Emissions
from vcci_server.storage.aggregate import is_summarised, sums_by_supplier
from vcci_server.storage.sums import Keys


@dataclass(frozen=True, slots=True)
class Question(Emissions):
    """What is asked of them."""

    by: str  # "supplier" or "category"
    pareto_share: float
    target_quality: int
    limit: int

    def only(self, ids: Keys) -> "Question":
        """Return the question about some groups, as far as segments can be told by them."""
        if self.by != "supplier":
            return self
        return replace(self, chosen=replace(self.chosen, suppliers=np.sort(ids).astype(np.int32)))

    async def label(self, ids: Keys) -> list[str]:
        """Return the codes of suppliers, or the numbers of categories."""
        if self.by == "category":
            return [str(number) for number in ids.tolist()]
        codes = await self.labels.suppliers(self.db, self.tenant_id, ids.tolist())
        return [codes[number] for number in ids.tolist()]


@dataclass(frozen=True, slots=True)
class Group:
    """One of the largest groups."""

    label: str
    rows: int
    estimate: Estimate
    share: float
    cumulative_share: float


@dataclass(frozen=True, slots=True)
class Ranks:
    """The Pareto set, and the largest groups."""

    pareto: Pareto
    concentration: Concentration
    groups: list[Group]
    group_count: int


async def ranks(question: Question) -> Ranks:
    """Rank the groups by their emissions."""
    if question.by == "supplier" and is_summarised(question.chosen):
        sums = await sums_by_supplier(question.db, question.run, question.tenant_id, question.chosen)
    else:
        (sums,) = await question.sums([question.by])
    ordered = await question.run(_ordered, sums.terms, question.pareto_share, question.limit)
    labels = await question.label(sums.keys[0][ordered.candidates])
    candidates = zip(ordered.ug[: len(labels)], labels, ordered.candidates.tolist(), strict=True)
    chosen = sorted(candidates, key=lambda group: (-group[0], group[1]))[: question.limit]
    numbers = [number for _, _, number in chosen]
    estimates = await _estimates(question, sums.keys[0][numbers])
    shares = _shares(ordered.ug, len(chosen))
    groups = [
        Group(label, int(sums.terms.rows[number]), estimate, *share)
        for (_, label, number), estimate, share in zip(chosen, estimates, shares, strict=True)
    ]
    return Ranks(ordered.pareto, ordered.concentration, groups, len(ordered.ug))


@dataclass(frozen=True, slots=True)
class _Ordered:
    """All groups' emissions, largest first, and which groups may be among the largest (all that equal the last)."""

    ug: list[int]
    candidates: Positions
    pareto: Pareto
    concentration: Concentration


def _ordered(terms: Terms, share: float, limit: int) -> _Ordered:
    high, low = terms.ug.T
    order = np.lexsort((-low, -high))
    ug = ug_ints(terms.ug[order])
    count = min(limit, len(ug))
    while 0 < count < len(ug) and ug[count] == ug[count - 1]:
        count += 1
    return _Ordered(ug, order[:count], pareto(ug, share), concentration(ug))


def _shares(ordered: Sequence[int], count: int) -> list[tuple[float, float]]:
    """Return the shares of the largest groups, and those of each and all larger ones."""
    total, so_far, shares = sum(ordered), 0, []
    for ug in ordered[:count]:
        so_far += ug
        shares.append((ug / total, so_far / total) if total > 0 else (0.0, 0.0))
    return shares


async def _estimates(question: Question, ids: Keys) -> list[Estimate]:
    (sums,) = await question.only(ids).sums([question.by, "factor"])
    place = {number: place for place, number in enumerate(ids.tolist())}
    group = np.array([place.get(number, -1) for number in sums.keys[0].tolist()], np.intp)
    return await question.estimates(sums, sums.keys[1], group, len(ids))
