"""What the ids in segments stand for: suppliers' codes, factors' keys, spreads and gases; kept in the process.

Neither ever changes, so what was read once is right for good.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from vcci_engine.gwp import UNKNOWN_SET
from vcci_engine.uncertainty import sigma2_of_gsd2
from vcci_engine.units import KG_CO2E, parse

from vcci_server.storage.factors import read_gases
from vcci_server.storage.pool import Connection
from vcci_server.storage.queries import QUERIES

MOST_KEPT = 500_000  # of each kind, of all tenants; some 200 bytes each
MOST_GASES_KEPT = 50_000  # factors; up to 2 kB each

V = TypeVar("V")


class FactorLabel(NamedTuple):
    """A factor's key `source:code`, the variance of its ln, and the tier of what is calculated with it."""

    key: str
    sigma2: float
    tier: str

    @property
    def source(self) -> str:
        """Who published it."""
        return self.key.partition(":")[0]


TIERS = ("supplier_specific", "average_data", "spend_based")  # best data first


def _tier(unit: str) -> str:
    parsed = parse(unit)
    return TIERS[2] if parsed is not None and parsed.is_money else TIERS[1]


class FactorGases(NamedTuple):
    """What a factor consists of (engine: gases.parts_of)."""

    kg_co2e: float  # per unit
    gases: Mapping[str, float]  # kg per unit
    gwp_set: str
    unit: str
    key: str  # which tells of a fuel


OWN_GASES = FactorGases(1.0, {}, UNKNOWN_SET, KG_CO2E, "")  # of the factor 0, per kg CO2e
SUPPLIERS_OWN = FactorLabel("", 0.0, TIERS[0])  # the factor 0; its spread is in the rows


class Labels:
    """The labels of all tenants."""

    def __init__(self) -> None:
        self._suppliers: dict[int, dict[int, str]] = {}
        self._factors: dict[int, dict[int, FactorLabel]] = {}
        self._gases: dict[int, dict[int, FactorGases]] = {}

    async def codes(self, db: Connection, tenant_id: int, ids: Sequence[int]) -> list[str]:
        """Return the code of each supplier, in their order: one pass where all are kept, since they may be 100,000."""
        found = [*map(self._suppliers.get(tenant_id, {}).get, ids)]
        if None in found:
            learned = await self.suppliers(db, tenant_id, ids)
            return [learned[number] for number in ids]
        return found  # type: ignore[return-value]  # no None

    async def suppliers(self, db: Connection, tenant_id: int, ids: Sequence[int]) -> dict[int, str]:
        """Return the code of each supplier."""

        async def load(unknown: list[int]) -> dict[int, str]:
            rows = await db.fetch(QUERIES["supplier_codes_of"], tenant_id, unknown)
            return {row["supplier_id"]: row["code"] for row in rows}

        return await _look_up(self._suppliers, tenant_id, ids, load)

    async def factors(self, db: Connection, tenant_id: int, ids: Sequence[int]) -> dict[int, FactorLabel]:
        """Return the label of each factor."""

        async def load(unknown: list[int]) -> dict[int, FactorLabel]:
            rows = await db.fetch(QUERIES["factors_of"], tenant_id, unknown)
            found = {
                row["factor_id"]: FactorLabel(row["key"], sigma2_of_gsd2(row["gsd2"]), _tier(row["unit"]))
                for row in rows
            }
            return {0: SUPPLIERS_OWN, **found}

        return await _look_up(self._factors, tenant_id, ids, load)

    async def gases(self, db: Connection, tenant_id: int, ids: Sequence[int]) -> dict[int, FactorGases]:
        """Return what each factor consists of."""

        async def load(unknown: list[int]) -> dict[int, FactorGases]:
            rows = await db.fetch(QUERIES["factor_gases_of"], tenant_id, unknown)
            read = await asyncio.to_thread(lambda: [read_gases(row["gases"]) for row in rows])
            found = {
                row["factor_id"]: FactorGases(row["kg_co2e"], gases, row["gwp_set"], row["unit"], row["key"])
                for row, gases in zip(rows, read, strict=True)
            }
            return {0: OWN_GASES, **found}

        return await _look_up(self._gases, tenant_id, ids, load, MOST_GASES_KEPT)


async def _look_up(
    kept: dict[int, dict[int, V]],
    tenant_id: int,
    ids: Sequence[int],
    load: Callable[[list[int]], Awaitable[dict[int, V]]],
    most: int = MOST_KEPT,
) -> dict[int, V]:
    """Return the label of each id, loading those not kept; when too many are kept, start anew."""
    known = kept.get(tenant_id, {})
    found: dict[int, V] = dict(zip(ids, map(known.get, ids), strict=True))  # type: ignore[arg-type]  # None: unknown
    if None in found.values():
        unknown = [number for number, label in found.items() if label is None]
        learned = await load(unknown)
        if sum(map(len, kept.values())) + len(learned) > most:
            kept.clear()
        kept.setdefault(tenant_id, {}).update(learned)
        found |= learned
        for number in {*unknown} - learned.keys():
            del found[number]
    return found
