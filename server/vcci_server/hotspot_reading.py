"""Reading a tenant's emissions for hotspots and scenarios, in one snapshot."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from vcci.v1.emission_pb2 import Composition
from vcci_engine.activities import FloatArray, Positions
from vcci_engine.totals import Terms
from vcci_engine.uncertainty import Estimate

from vcci_server.emission_gases import StoredParts, compositions_of, stored_parts
from vcci_server.emission_groups import estimates_of
from vcci_server.storage.aggregate import sums_by
from vcci_server.storage.labels import Labels
from vcci_server.storage.pool import Connection
from vcci_server.storage.reading import Filter, StoredSegment, pin_version, scan
from vcci_server.storage.summing import Run
from vcci_server.storage.sums import Keys, Sums


@dataclass(frozen=True, slots=True)
class Emissions:
    """The emissions of a filter."""

    db: Connection
    run: Run
    labels: Labels
    tenant_id: int
    chosen: Filter

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

    async def parts(self, factors: Sequence[int]) -> StoredParts | None:
        """Return what factors consist of; None where a run has expressed some emissions in a GWP set of its own."""
        if self.chosen.gwp_set:
            return None  # which set a row is in is not told by its factor then
        return await self.run(stored_parts, await self.labels.gases(self.db, self.tenant_id, factors), "")

    async def sigma2(self, factors: Keys) -> Mapping[int, float]:
        """Return the variance of ln(factor) by id."""
        labels = await self.labels.factors(self.db, self.tenant_id, np.unique(factors).tolist())
        return {number: label.sigma2 for number, label in labels.items()}


@dataclass(frozen=True, slots=True)
class Whole:
    """All emissions: terms by factor (ids ascending), the variance of ln(factor) of each, and what they come to."""

    factors: Keys
    terms: Terms
    sigma2: FloatArray
    rows: int
    estimate: Estimate
    composition: Composition


async def whole(emissions: Emissions) -> Whole:
    """Return what all emissions of the filter come to."""
    (sums,) = await emissions.sums(["factor"])
    (factors,) = sums.keys
    sigma2 = await emissions.sigma2(factors)
    spread = np.array([sigma2[number] for number in factors.tolist()], np.float64)
    one = np.zeros(len(sums), np.intp)
    (estimate,) = await emissions.estimates(sums, factors, one, 1)
    parts = await emissions.parts(factors.tolist())
    composition = await emissions.run(composition_of, parts, sums.terms, factors)
    return Whole(factors, sums.terms, spread, int(sums.terms.rows.sum()), estimate, composition)


def composition_of(parts: StoredParts | None, terms: Terms, factors: Keys) -> Composition:
    """Return under which GWP sets the sum of terms by factor is."""
    if parts is None:
        return Composition(mixed_gwp_sets=True)
    (composition,) = compositions_of(terms, factors, parts, np.zeros(len(terms), np.intp), 1, include_gases=False)
    return composition
