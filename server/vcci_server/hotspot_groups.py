"""Which groups make most of the emissions: the Pareto set, concentration, the largest groups."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from vcci_engine.hotspots import Concentration, Pareto, concentration, descending, pareto
from vcci_engine.totals import Terms, ug_ints
from vcci_engine.uncertainty import Estimate

from vcci_server.emission_groups import largest, rank
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
    ordered, found, unequal = await question.run(_ordered, sums.terms, question.pareto_share)
    ranking = await question.run(rank, sums.keys, sums.terms, question.limit)
    labels = await question.label(ranking.numbers[0][ranking.candidates])
    chosen = await question.run(largest, ranking, [labels], question.limit)
    numbers = [number for number, _ in chosen]
    estimates = await _estimates(question, ranking.numbers[0][numbers])
    shares = _shares(ordered, len(chosen))
    groups = [
        Group(label, int(ranking.sums.rows[number]), estimate, *share)
        for (number, (label,)), estimate, share in zip(chosen, estimates, shares, strict=True)
    ]
    return Ranks(found, unequal, groups, len(ordered))


def _ordered(terms: Terms, share: float) -> tuple[list[int], Pareto, Concentration]:
    ordered = descending(ug_ints(terms.ug))
    return ordered, pareto(ordered, share), concentration(ordered)


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
