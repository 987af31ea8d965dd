"""Which groups make most of the emissions: the Pareto set, concentration, the largest groups."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from vcci_engine.activities import FloatArray, Positions
from vcci_engine.hotspots import Concentration, Pareto, concentration, descending, pareto
from vcci_engine.totals import Terms, ug_ints
from vcci_engine.uncertainty import Estimate

from vcci_server.emission_groups import estimates_of, largest, rank
from vcci_server.storage.aggregate import is_summarised, sums_by, sums_by_supplier
from vcci_server.storage.labels import Labels
from vcci_server.storage.pool import Connection
from vcci_server.storage.reading import Filter, StoredSegment, pin_version, scan
from vcci_server.storage.summing import Run
from vcci_server.storage.sums import Keys, Sums


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a tenant's emissions, in one snapshot."""

    db: Connection
    run: Run
    labels: Labels
    tenant_id: int
    chosen: Filter
    by: str  # "supplier" or "category"
    pareto_share: float
    target_quality: int
    limit: int

    def only(self, ids: Keys) -> "Question":
        """Return the question about some groups, as far as segments can be told by them."""
        if self.by != "supplier":
            return self
        return replace(self, chosen=replace(self.chosen, suppliers=np.sort(ids).astype(np.int32)))

    async def sums(self, *groupings: Sequence[str]) -> list[Sums]:
        """Sum by groupings of columns."""
        return await sums_by(self.db, self.run, self.tenant_id, self.chosen, groupings)

    async def segments(self, columns: Sequence[str]) -> AsyncGenerator[StoredSegment]:
        """Return the segments that may hold emissions of the filter."""
        version = await pin_version(self.db)
        wanted = sorted(self.chosen.columns.union(columns))
        return scan(self.db, self.tenant_id, self.chosen, wanted, version=version)

    async def estimates(self, sums: Sums, factors: Keys, group: Positions, n_groups: int) -> list[Estimate]:
        """Return the estimates of groups of sums by factor."""
        sigma2 = await self.sigma2(factors)
        return await self.run(estimates_of, sums.terms, factors, sigma2, group, n_groups)

    async def sigma2(self, factors: Keys) -> Mapping[int, float]:
        """Return the variance of ln(factor) by id."""
        labels = await self.labels.factors(self.db, self.tenant_id, np.unique(factors).tolist())
        return {number: label.sigma2 for number, label in labels.items()}

    async def label(self, ids: Keys) -> list[str]:
        """Return the codes of suppliers, or the numbers of categories."""
        if self.by == "category":
            return [str(number) for number in ids.tolist()]
        codes = await self.labels.suppliers(self.db, self.tenant_id, ids.tolist())
        return [codes[number] for number in ids.tolist()]


@dataclass(frozen=True, slots=True)
class Whole:
    """All emissions: terms by factor (ids ascending), the variance of ln(factor) of each, and what they come to."""

    factors: Keys
    terms: Terms
    sigma2: FloatArray
    rows: int
    estimate: Estimate


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


async def whole(question: Question) -> Whole:
    """Return what all emissions of the filter come to."""
    (sums,) = await question.sums(["factor"])
    (factors,) = sums.keys
    sigma2 = await question.sigma2(factors)
    spread = np.array([sigma2[number] for number in factors.tolist()], np.float64)
    (estimate,) = await question.estimates(sums, factors, np.zeros(len(sums), np.intp), 1)
    return Whole(factors, sums.terms, spread, int(sums.terms.rows.sum()), estimate)


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
