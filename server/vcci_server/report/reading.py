"""Reads the facts of a report, step by step, in one snapshot; what is computed is computed off the event loop."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from hashlib import sha256
from typing import TypeAlias

import numpy as np
from vcci.v1 import emission_pb2
from vcci.v1 import emission_service_pb2 as pb
from vcci_engine.totals import ug_ints

from vcci_server.dashboards import Period, SuppliersOf, coverage_of, grades_of
from vcci_server.emission_sums import Totals
from vcci_server.report import ifrs, transport
from vcci_server.report.facts import KG, Amount, Coverage, DataSet, Earlier, Factor, Facts, Gas, Restatement, Supplier
from vcci_server.report.question import Question
from vcci_server.report.reading_investments import read_investments
from vcci_server.report.reading_transport import read_transport
from vcci_server.run_messages import request_of
from vcci_server.storage.aggregate import sums_by
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.run_sums import read_changes, total_of
from vcci_server.storage.runs import record
from vcci_server.storage.standing import Quarters, read_standing
from vcci_server.storage.sums import Sums
from vcci_server.storage.uploads import LAST

MOST_RUNS = 100
UG_T = 10**12  # micrograms of a tonne
HASHED = ("month", "category", "method", "factor")

Step: TypeAlias = Callable[[Question, Facts], Awaitable[None]]


def steps_of(kind: str) -> dict[str, Step]:
    """Return how the facts of a kind of report are read, by what is told of it meanwhile."""
    investments: dict[str, Step] = {"investments": read_investments} if kind == ifrs.KIND else {}
    standing: dict[str, Step] = {"data quality": _quality}
    operations: dict[str, Step] = {"transport": read_transport}
    return {
        "totals": _totals,
        "categories": _categories,
        "years": _years,
        "suppliers": _suppliers,
        **(operations if kind == transport.KIND else standing),
        **investments,
        "emission factors": _factors,
        "restatements": _restatements,
        "hashes": _hash,
    }


async def read_facts(of: Question, facts: Facts, steps: Mapping[str, Step]) -> AsyncGenerator[str]:
    """Fill the facts; yield the name of each step before it is done."""
    for name, step in steps.items():
        yield name
        await step(of, facts)


async def _totals(of: Question, facts: Facts) -> None:
    found = await of.totals(pb.DIMENSION_METHOD_TIER, gases=not of.chosen.gwp_set)
    facts.total, facts.tiers = Amount.of(found.total), _amounts(found)
    _compose(found.total.composition, facts)
    facts.previous = await _earlier(of, facts.period.before)
    facts.base = await _earlier(of, facts.base_period)


async def _earlier(of: Question, period: Period | None) -> Earlier | None:
    if period is None:
        return None
    total = (await of.in_period(period, gases=not of.chosen.gwp_set)).total
    if not total.rows:
        return None
    found = _amounts(await of.in_period(period, pb.DIMENSION_CATEGORY, gases=False))
    return Earlier(period, Amount.of(total), tuple(found), total.composition.kg_co2_biogenic / KG)


def _compose(of: emission_pb2.Composition, facts: Facts) -> None:
    facts.gases = [Gas(gas.gas, gas.kg, gas.kg_co2e / KG) for gas in of.gases]
    facts.gwp_sets = [(each.gwp_set, each.kg_co2e / KG) for each in of.gwp_sets]
    facts.mixed_gwp_sets = of.mixed_gwp_sets
    facts.biogenic_tonnes = of.kg_co2_biogenic / KG
    facts.rows_of_unknown_gases = of.rows_of_unknown_gases


async def _categories(of: Question, facts: Facts) -> None:
    facts.categories = _amounts(await of.totals(pb.DIMENSION_CATEGORY))
    facts.category_tiers = _amounts(await of.totals(pb.DIMENSION_CATEGORY, pb.DIMENSION_METHOD_TIER))
    facts.methods = _amounts(await of.totals(pb.DIMENSION_CATEGORY, pb.DIMENSION_METHOD))


async def _years(of: Question, facts: Facts) -> None:
    facts.years = sorted(_amounts(await of.all_years()), key=lambda year: year.keys)


async def _suppliers(of: Question, facts: Facts) -> None:
    found = await of.totals(pb.DIMENSION_SUPPLIER, limit=of.supplier_limit)
    amounts = _amounts(found)
    rows = await of.db.fetch(QUERIES["report_suppliers"], of.tenant_id, [amount.keys[0] for amount in amounts])
    names = {row["code"]: (row["display_name"], row["country"]) for row in rows}
    facts.suppliers = [Supplier(amount.keys[0], *names[amount.keys[0]], amount) for amount in amounts]
    facts.supplier_count = found.group_count


async def _quality(of: Question, facts: Facts) -> None:
    quarters = Quarters(facts.period.start, facts.period.end, before=facts.period.start)
    standing = await read_standing(of.db, of.run, of.tenant_id, quarters, as_of=of.chosen.as_of)
    facts.grades = [(grade.score, grade.rows, grade.kg_co2e / KG) for grade in grades_of(standing)]
    suppliers = await of.run(SuppliersOf.of, standing.suppliers)
    count = await of.db.fetchval(QUERIES["count_suppliers"], of.tenant_id)
    covered = await coverage_of(of.db, of.tenant_id, suppliers, count)
    facts.coverage = Coverage(covered.suppliers, covered.with_emissions, covered.with_primary_data)


async def _factors(of: Question, facts: Facts) -> None:
    (sums,) = await sums_by(of.db, of.run, of.tenant_id, of.chosen, [["factor"]])
    factors, ug = sums.keys[0].tolist(), ug_ints(sums.terms.ug)
    used = {factor: (rows, ug / UG_T) for factor, rows, ug in zip(factors, sums.terms.rows.tolist(), ug, strict=True)}
    rows = await of.db.fetch(QUERIES["report_factors"], of.tenant_id, [*used])
    facts.factors = sorted(
        (
            Factor(
                row["factor_id"],
                *(f"factorSets/{row['factor_set_id']}", row["source"], row["key"], row["display_name"]),
                *(row["region"], row["year"], row["unit"], row["kg_co2e"], row["gwp_set"], row["source_note"]),
                *used[row["factor_id"]],
            )
            for row in rows
        ),
        key=lambda factor: (-factor.tonnes, factor.key, factor.region, factor.year),
    )
    await _sets(of, facts, sorted({row["factor_set_id"] for row in rows}))


async def _sets(of: Question, facts: Facts, factor_sets: Sequence[int]) -> None:
    rows = await of.db.fetch(QUERIES["report_factor_sets"], of.tenant_id, factor_sets)
    facts.factor_sets = [
        DataSet(f"factorSets/{row['factor_set_id']}", row["display_name"], row["content_hash"], row["created_at"])
        for row in rows
    ]
    period = facts.period
    rows = await of.db.fetch(QUERIES["report_price_sets"], of.tenant_id, period.start, period.end, of.chosen.as_of)
    facts.price_sets = [
        DataSet(f"priceSets/{row['price_set_id']}", row["display_name"], row["content_hash"], row["created_at"])
        for row in rows
    ]


async def _restatements(of: Question, facts: Facts) -> None:
    rows = await of.db.fetch(QUERIES["list_runs"], of.tenant_id, LAST, MOST_RUNS, True)
    for run in (found for found in map(record, rows) if found.state == "succeeded"):
        change = total_of([*(await read_changes(of.db, of.run, of.tenant_id, run.run_id)).values()])
        request = request_of(run)
        before, after = change.old_ug, change.old_ug + change.difference_ug
        facts.restatements.append(
            Restatement(
                *(f"runs/{run.run_id}", request.display_name, run.ended_at, f"factorSets/{run.factor_set_id}"),
                *(request.gwp_set, before / UG_T, after / UG_T),
            )
        )


async def _hash(of: Question, facts: Facts) -> None:
    (sums,) = await sums_by(of.db, of.run, of.tenant_id, of.chosen, [HASHED])
    facts.emissions_sha256 = await of.run(hash_of, sums)


def hash_of(sums: Sums) -> str:
    """Return the SHA-256 of exact sums, whatever their order: lines of the keys, rows and micrograms."""
    order = np.lexsort(sums.keys[::-1])
    columns = [*(key[order].tolist() for key in sums.keys), sums.terms.rows[order].tolist()]
    lines = zip(*columns, ug_ints(sums.terms.ug[order]), strict=True)
    return sha256("".join(" ".join(map(str, line)) + "\n" for line in lines).encode()).hexdigest()


def _amounts(found: Totals) -> list[Amount]:
    return [Amount.of(group) for group in found.groups]
