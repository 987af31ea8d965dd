"""The question that a report asks the store: sums of a tenant's emissions, in one snapshot."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from vcci.v1 import emission_service_pb2 as pb
from vcci_engine.activities import FloatArray

from vcci_server.dashboards import Period
from vcci_server.emission_gases import stored_parts
from vcci_server.emission_sums import Summation, Totals
from vcci_server.report.facts import KG
from vcci_server.storage.labels import Labels
from vcci_server.storage.pool import Connection
from vcci_server.storage.reading import Filter, StoredSegment, pin_version, scan
from vcci_server.storage.summing import Run
from vcci_server.storage.sums import Keys

MOST_GROUPS = 10_000


@dataclass(frozen=True, slots=True)
class Question:
    """Whose emissions, and which of them."""

    db: Connection
    run: Run
    labels: Labels
    tenant_id: int
    chosen: Filter
    gwp_set: str
    supplier_limit: int

    async def totals(self, *dimensions: int, limit: int = MOST_GROUPS, gases: bool = False) -> Totals:
        """Return the sums by dimensions, under the wanted GWP set."""
        return await self._of(self.chosen, gases).totals(dimensions, limit)

    async def all_years(self) -> Totals:
        """Return the sums by year, of all that is before the end of the period."""
        return await self._of(replace(self.chosen, start=None), gases=False).totals([pb.DIMENSION_YEAR], MOST_GROUPS)

    async def segments(self, columns: Sequence[str]) -> AsyncGenerator[StoredSegment]:
        """Return the segments with the emissions meant."""
        return scan(self.db, self.tenant_id, self.chosen, columns, version=await pin_version(self.db))

    async def tonnes(self, factors: Keys, kg_co2e: FloatArray) -> list[float]:
        """Return stored kg CO2e by factor as t CO2e under the wanted GWP set."""
        if self.gwp_set:
            gases = await self.labels.gases(self.db, self.tenant_id, np.unique(factors).tolist())
            ratio = (await self.run(stored_parts, gases, self.gwp_set)).ratio_of(factors)
            kg_co2e = kg_co2e if ratio is None else kg_co2e * ratio
        found: list[float] = (kg_co2e / KG).tolist()
        return found

    async def in_period(self, period: Period, *dimensions: int, gases: bool) -> Totals:
        """Return the sums of another period by dimensions."""
        chosen = replace(self.chosen, start=period.start, end=period.end)
        return await self._of(chosen, gases).totals(dimensions, MOST_GROUPS)

    def _of(self, chosen: Filter, gases: bool) -> Summation:
        where = (self.db, self.run, self.labels, self.tenant_id, chosen)
        return Summation(*where, gwp_set=self.gwp_set, include_gases=gases)
