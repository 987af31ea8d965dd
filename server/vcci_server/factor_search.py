"""What ListFactors searches for."""

from vcci.v1 import factor_service_pb2 as pb
from vcci_engine.countries import alpha_2
from vcci_engine.regions import is_region
from vcci_engine.units import parse

from vcci_server.storage.factors import FactorFilter, list_units
from vcci_server.storage.pool import Pool
from vcci_server.validation import MAX_NAME_BYTES, MAX_STRING_BYTES, Problems

FIRST_YEAR, LAST_YEAR = 1900, 2199
MOST_SETS = 1_000  # whose units are remembered, some hundred bytes each


class FactorSearch:
    """Makes filters of requests; remembers the units of sets, which never change."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._units: dict[tuple[int, int], tuple[str, ...]] = {}

    async def wanted(self, tenant_id: int, set_id: int, request: pb.ListFactorsRequest) -> FactorFilter:
        """Return which factors of the set a request, which was checked, asks for."""
        return FactorFilter(
            source=request.source,
            words=tuple(request.text.split()),
            region=_region(request.region) if request.HasField("region") else None,
            year=request.year,
            units=await self._units_like(tenant_id, set_id, request.unit) if request.unit else None,
        )

    async def _units_like(self, tenant_id: int, set_id: int, unit: str) -> tuple[str, ...]:
        """Return the set's units that an amount in this unit can be converted into."""
        units = self._units.get((tenant_id, set_id))
        if units is None:
            units = await list_units(self._pool, tenant_id, set_id)
            if len(self._units) >= MOST_SETS:
                self._units.clear()
            self._units[tenant_id, set_id] = units
        return tuple(each for each in units if _dimensions(each) == _dimensions(unit))


def scope(request: pb.ListFactorsRequest) -> str:
    """Return what page tokens of this search are bound to."""
    region = request.region if request.HasField("region") else None
    return f"factors {[request.factor_set, request.source, request.text, region, request.year, request.unit]}"


def check_search(request: pb.ListFactorsRequest) -> None:
    """Raise InvalidFields unless a request can be answered."""
    problems = Problems()
    problems.text("source", request.source, MAX_STRING_BYTES)
    problems.text("text", request.text, MAX_NAME_BYTES)
    problems.text("unit", request.unit, MAX_STRING_BYTES)
    if _region(request.region) is None:
        expected = "a code of ISO 3166-1, of UN M49 (150), EU, or empty for the whole world"
        problems.add("region", request.region, expected, "MALFORMED_VALUE")
    if request.year and not FIRST_YEAR <= request.year <= LAST_YEAR:
        problems.add("year", request.year, f"0, or a year from {FIRST_YEAR} to {LAST_YEAR}", "OUT_OF_RANGE")
    if request.unit and parse(request.unit) is None:
        problems.add("unit", request.unit, "a unit, like kWh, kg, tonne*km or USD", "UNKNOWN_UNIT")
    problems.check()


def _region(text: str) -> str | None:
    return text if is_region(text) else alpha_2(text)


def _dimensions(unit: str) -> tuple[tuple[str, int], ...] | None:
    parsed = parse(unit)
    return parsed.dimensions if parsed else None
