"""Levers of a checked request as the engine has them, with the ids of what they name."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from vcci.v1 import hotspot_service_pb2 as pb
from vcci_engine.abatement import Costs
from vcci_engine.countries import alpha_2
from vcci_engine.levers import NEAR_TERM, Factor, Lever, Move, Pathway, Replace, Scale
from vcci_engine.uncertainty import sigma2_of_gsd2
from vcci_engine.units import parse

from vcci_server.scenario_cells import Scope
from vcci_server.storage.pool import Connection
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.reading import Ids
from vcci_server.validation import Problems

ELECTRICITY = ("grid:*",)


@dataclass(frozen=True, slots=True)
class Resolved:
    """Levers, the scopes that they number, and the factors that they bring in."""

    levers: list[Lever]
    scopes: list[Scope]
    factors: dict[int, Factor]


def costs_of(lever: pb.Lever) -> Costs | None:
    """Return what a lever costs, where that is given."""
    if not lever.HasField("costs"):
        return None
    of = lever.costs
    return Costs(of.investment, of.annual_cost, of.annual_savings, of.lifetime_years)


async def resolve(db: Connection, tenant_id: int, given: Sequence[pb.Lever]) -> Resolved:
    """Return the levers, or raise InvalidFields where they name what does not exist."""
    suppliers = await _suppliers(db, tenant_id, given)
    targets = await _targets(db, tenant_id, given)
    problems = Problems()
    for number, lever in enumerate(given):
        _check_names(f"levers[{number}]", lever, suppliers, targets, problems)
    problems.check()
    found = Resolved([], [], {of.id: of for each in targets.values() for of in each})
    for lever in given:
        _add(found, lever, suppliers, targets, await _countries(db, tenant_id, lever.scope.countries))
    return found


def factor_of(
    factor_id: int, key: str, region: str, year: int, unit: str, kg_co2e: float, gsd2: float
) -> Factor | None:
    """Return a stored factor; None when its unit is not understood."""
    understood = parse(unit)
    if understood is None:
        return None
    return Factor(factor_id, key, region, year, understood, kg_co2e, sigma2_of_gsd2(gsd2))


def _add(
    found: Resolved,
    lever: pb.Lever,
    suppliers: dict[str, int],
    targets: dict[str, tuple[Factor, ...]],
    countries: Ids | None,
) -> None:
    named = _ids(suppliers[code] for code in lever.scope.supplier_codes) if lever.scope.supplier_codes else None
    kept = (tuple(sorted({*lever.scope.categories})) or None, tuple(sorted({*lever.scope.methods})) or None)
    scope = len(found.scopes)
    found.scopes.append(Scope(_both(named, countries), *kept))
    factors = tuple(lever.scope.factors)
    change: Scale | Pathway | Replace | Move
    match lever.WhichOneof("change"):
        case "quantity":
            change = Scale(1 + lever.quantity.change, activity=True)
        case "intensity":
            change = Scale(1 + lever.intensity.change, activity=False)
        case "factor":
            amount = lever.factor.amount_ratio or 1.0
            change = Replace(lever.factor.share or 1.0, targets[lever.factor.factor], amount)
        case "renewable":
            change = Replace(lever.renewable.share, targets.get(lever.renewable.factor, ()))
            factors = factors or ELECTRICITY
        case "supplier":
            found.scopes.append(Scope(_ids([suppliers[lever.supplier.supplier_code]]), *kept))
            change = Move(lever.supplier.share or 1.0, scope + 1)
        case _:
            of = lever.pathway
            change = Pathway(of.base_year, of.target_year, of.annual_reduction or NEAR_TERM)
    found.levers.append(Lever(scope, change, factors))


async def _suppliers(db: Connection, tenant_id: int, given: Iterable[pb.Lever]) -> dict[str, int]:
    codes = {code for lever in given for code in (*lever.scope.supplier_codes, lever.supplier.supplier_code)}
    rows = await db.fetch(QUERIES["supplier_ids_by_code"], tenant_id, sorted(codes))
    return {row["code"]: row["supplier_id"] for row in rows}


async def _countries(db: Connection, tenant_id: int, countries: Sequence[str]) -> Ids | None:
    if not countries:
        return None
    codes = sorted({alpha_2(country) or country for country in countries})
    rows = await db.fetch(QUERIES["suppliers_of_countries"], tenant_id, codes)
    return _ids(row["supplier_id"] for row in rows)


async def _targets(db: Connection, tenant_id: int, given: Iterable[pb.Lever]) -> dict[str, tuple[Factor, ...]]:
    """Return the factors of the active set by the keys that levers name."""
    keys = sorted({key for lever in given for key in (lever.factor.factor, lever.renewable.factor) if key})
    pairs = [key.partition(":") for key in keys]
    columns = [source for source, _, _ in pairs], [code for _, _, code in pairs]
    found: dict[str, tuple[Factor, ...]] = {}
    for row in await db.fetch(QUERIES["active_factors_of"], tenant_id, *columns):
        if (factor := factor_of(**row)) is not None:
            found[factor.key] = (*found.get(factor.key, ()), factor)
    return found


def _check_names(
    field: str,
    lever: pb.Lever,
    suppliers: dict[str, int],
    targets: dict[str, tuple[Factor, ...]],
    problems: Problems,
) -> None:
    codes = [
        (f"{field}.scope.supplier_codes[{number}]", code) for number, code in enumerate(lever.scope.supplier_codes)
    ]
    for name, code in (*codes, (f"{field}.supplier.supplier_code", lever.supplier.supplier_code)):
        if code and code not in suppliers:
            problems.add(name, code, "the code of a supplier", "NOT_FOUND")
    for change, key in (("factor", lever.factor.factor), ("renewable", lever.renewable.factor)):
        if key and key not in targets:
            expected = "the key of a factor in the active set, like naics:331110"
            problems.add(f"{field}.{change}.factor", key, expected, "UNKNOWN_FACTOR")


def _both(one: Ids | None, other: Ids | None) -> Ids | None:
    if one is None or other is None:
        return other if one is None else one
    return np.intersect1d(one, other).astype(np.int32)


def _ids(numbers: Iterable[int]) -> Ids:
    return np.unique(np.fromiter(numbers, np.int32))
