"""A tenant's state at a glance. What is made of its emissions is kept until these change."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from urllib.parse import quote

import numpy as np
from google.type.date_pb2 import Date
from vcci.v1 import emission_service_pb2 as pb
from vcci.v1.emission_pb2 import Composition
from vcci_engine.dates import FIRST_YEAR, LAST_YEAR
from vcci_engine.totals import UG_BITS, carried, nearest_floats, ug_ints
from vcci_engine.uncertainty import Estimate

from vcci_server.calculation_messages import estimate_message
from vcci_server.emission_sums import Summation, Table
from vcci_server.run_messages import request_of
from vcci_server.storage import runs, uploads
from vcci_server.storage.figures import where
from vcci_server.storage.labels import TIERS, Labels
from vcci_server.storage.passes import Tally, combine_tallies
from vcci_server.storage.pool import Connection, Pool
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.reading import Filter, snapshot
from vcci_server.storage.standing import CATEGORY, FACTOR, Quarters, Standing
from vcci_server.storage.standings import MOST_KEPT, Standings
from vcci_server.storage.summing import Run
from vcci_server.storage.sums import Keys, concatenate, month_number, quarter_start
from vcci_server.storage.supplier_counts import SupplierCounts
from vcci_server.upload_messages import upload_message
from vcci_server.validation import Problems, resource_id

NAMED, MOST_NAMED = 10, 100
OPEN_UPLOADS = 20
FIRST_MONTHS = (1, 4, 7, 10)


@dataclass(frozen=True, slots=True)
class Period:
    """Whole quarters, [start, end)."""

    start: date
    end: date

    @property
    def before(self) -> "Period":
        """As many quarters before."""
        length = _quarter(self.end) - _quarter(self.start)
        return Period(quarter_start(_quarter(self.start) - length), self.start)

    @property
    def quarters(self) -> Quarters:
        """The quarters of both."""
        return Quarters(self.start, self.end, self.before.start)


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is made of a standing."""

    standing: Standing
    message: pb.Dashboard
    suppliers: "SuppliersOf"


@dataclass(frozen=True, slots=True)
class SuppliersOf:
    """The suppliers of a period."""

    largest: Tally  # by supplier: kg; those that may be among the MOST_NAMED largest
    with_emissions: Keys  # ids, ascending
    with_own: Keys  # those with emissions from their own data

    @classmethod
    def of(cls, suppliers: Tally) -> "SuppliersOf":
        """Return them from the sums by supplier and own, ascending."""
        ids, own = suppliers.keys
        return cls(_largest(suppliers), ids[np.diff(ids, prepend=-1) > 0], ids[own == 1])


class Dashboards:
    """The dashboards of all tenants."""

    def __init__(self, pool: Pool, run: Run, labels: Labels) -> None:
        self._pool = pool
        self._run = run
        self._labels = labels
        self._standings = Standings(run)
        self._counts = SupplierCounts(pool)
        self._kept: OrderedDict[tuple[int, Period, int], _Kept] = OrderedDict()  # by tenant, period and run

    async def get(self, tenant_id: int, request: pb.GetDashboardRequest) -> pb.Dashboard:
        """Return the dashboard of a period, else of the last calendar year that has emissions."""
        asked, named = asked_for(request)
        counted = await self._counts.counted(tenant_id)
        async with snapshot(self._pool) as db:
            chosen = await _as_of(db, tenant_id, request.as_of)
            period = asked or await last_year(db, tenant_id)
            made = await self._made(db, tenant_id, period, chosen)
            message = pb.Dashboard()
            message.CopyFrom(made.message)
            message.top_suppliers.extend(await _top(db, tenant_id, made.suppliers.largest, named))
            count = await self._counts.total(db, tenant_id, counted)
            message.coverage.CopyFrom(await coverage_of(db, tenant_id, made.suppliers, count))
            await _add_uploads(db, tenant_id, message)
        return message

    async def _made(self, db: Connection, tenant_id: int, period: Period, chosen: Filter) -> _Kept:
        standing = await self._standings.get(db, tenant_id, period.quarters, chosen.as_of)
        key = tenant_id, period, chosen.as_of
        made = self._kept.get(key)
        if made is None or made.standing is not standing:
            message = await self._message(db, tenant_id, period, chosen, standing)
            made = _Kept(standing, message, await self._run(SuppliersOf.of, standing.suppliers))
            self._kept[key] = made
        self._kept.move_to_end(key)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return made

    async def _message(
        self, db: Connection, tenant_id: int, period: Period, chosen: Filter, standing: Standing
    ) -> pb.Dashboard:
        factors = np.unique(standing.sums.keys[FACTOR]).tolist()
        labels = await self._labels.factors(db, tenant_id, factors)
        tiers = np.array([TIERS.index(labels[factor].tier) for factor in factors], np.int64)
        groups = await self._run(_groups_of, standing, tiers)
        summation = Summation(db, self._run, self._labels, tenant_id, chosen)
        found = await summation.estimates(groups.table, groups.group, len(groups.labels))
        total, previous, *others = map(_group_message, groups.labels, groups.rows, found)
        categories = others[: groups.categories]
        message = pb.Dashboard(
            period_start=_date(period.start),
            period_end=_date(period.end),
            as_of=f"runs/{chosen.as_of}" if chosen.as_of else "",
            total=total,
            previous_total=previous,
            categories=sorted(categories, key=lambda of: -of.estimate.kg_co2e),
            method_tiers=others[groups.categories :],
            data_quality=grades_of(standing),
        )
        if kg := previous.estimate.kg_co2e:
            message.change = total.estimate.kg_co2e / kg - 1
        return message


@dataclass(frozen=True, slots=True)
class _Groups:
    """All that is estimated, at once: the total, that of before, each category, each tier."""

    table: Table  # by factor
    group: Keys  # of each of the sums
    labels: list[str]  # by group
    rows: list[int]  # by group
    categories: int  # how many


def _groups_of(standing: Standing, tiers: Keys) -> _Groups:
    """Return the groups; `tiers` is the tier of each factor, ascending by its id."""
    now, before = standing.sums, standing.before
    category, of_category = np.unique(now.keys[CATEGORY], return_inverse=True)
    tier, of_factor = np.unique(tiers, return_inverse=True)
    of_tier = of_factor[np.unique(now.keys[FACTOR], return_inverse=True)[1]]
    labels = ["", "", *map(str, category.tolist()), *(TIERS[number] for number in tier.tolist())]
    ends = np.zeros(len(now), np.int64), np.ones(len(before), np.int64)
    group = np.concatenate((*ends, 2 + of_category, 2 + len(category) + of_tier))
    parts = (now, before, now, now)
    terms = concatenate([part.terms for part in parts])
    rows = np.bincount(group, weights=terms.rows, minlength=len(labels)).astype(np.int64)
    table = Table({"factor": np.concatenate([part.keys[FACTOR] for part in parts])}, terms)
    return _Groups(table, group, labels, rows.tolist(), len(category))


def _group_message(label: str, rows: int, found: tuple[Estimate, Composition]) -> pb.EmissionGroup:
    estimate, composition = found
    keys = [label] if label else []
    return pb.EmissionGroup(keys=keys, rows=rows, estimate=estimate_message(estimate), composition=composition)


def asked_for(request: pb.GetDashboardRequest) -> tuple[Period | None, int]:
    """Return the period, if one is given, and how many suppliers to name; or raise InvalidFields."""
    problems = Problems()
    if request.as_of:
        problems.resource("as_of", request.as_of, "runs")
    days = {name: _quarter_day(name, request, problems) for name in ("period_start", "period_end")}
    start, end = days["period_start"], days["period_end"]
    for given, other in (("period_start", "period_end"), ("period_end", "period_start")):
        if request.HasField(given) and not request.HasField(other):  # type: ignore[arg-type]
            problems.add(other, "", f"the other end of {given}", "REQUIRED_FIELD")
    if start and end and start >= end:
        problems.add("period_end", end, f"after period_start, {start}", "OUT_OF_RANGE")
    if request.top_suppliers < 0:
        problems.add("top_suppliers", request.top_suppliers, "0 or more", "OUT_OF_RANGE")
    problems.check()
    return Period(start, end) if start and end else None, min(request.top_suppliers or NAMED, MOST_NAMED)


def _quarter_day(name: str, request: pb.GetDashboardRequest, problems: Problems) -> date | None:
    if not request.HasField(name):  # type: ignore[arg-type]
        return None
    given: Date = getattr(request, name)
    try:
        day = date(given.year, given.month, given.day)
    except ValueError:
        day = None
    if day is None or day.day != 1 or day.month not in FIRST_MONTHS or not FIRST_YEAR <= day.year <= LAST_YEAR:
        text = f"{given.year:04}-{given.month:02}-{given.day:02}"
        expected = f"the first day of a quarter of the years {FIRST_YEAR} to {LAST_YEAR}"
        problems.add(name, text, expected, "OUT_OF_RANGE")
        return None
    return day


async def _as_of(db: Connection, tenant_id: int, name: str) -> Filter:
    """Return a filter of all emissions, with the results of a run that is named."""
    if not name:
        return Filter()
    run = await runs.fetch_readable(db, tenant_id, resource_id(name, "runs", "as_of"))
    return Filter(as_of=run.run_id, gwp_set=request_of(run).gwp_set)


async def last_year(db: Connection, tenant_id: int) -> Period:
    """Return the last calendar year that has emissions, else the present one."""
    folded: date = await db.fetchval(QUERIES["last_month"], tenant_id) or date.min
    beyond: date | None = await db.fetchval(QUERIES["last_quarter_not_folded"], tenant_id, folded)
    last = beyond or folded
    year: int = last.year if last != date.min else (await db.fetchval(QUERIES["today"])).year
    return Period(date(year, 1, 1), date(year + 1, 1, 1))


def grades_of(of: Standing) -> list[pb.DataQualityShare]:
    """Return how good the data is, best first."""
    found = zip(of.grades.keys[0].tolist(), of.grades.rows.tolist(), ug_ints(of.grades.sums[0]), strict=True)
    return [pb.DataQualityShare(score=score, rows=rows, kg_co2e=ug / 10**9) for score, rows, ug in found if rows]


def _largest(suppliers: Tally) -> Tally:
    """Return the suppliers that may be among the largest, of sums by supplier and own, ascending."""
    ids = suppliers.keys[0]
    first = np.flatnonzero(np.diff(ids, prepend=-1))
    if len(first) > MOST_NAMED:
        kg = nearest_floats(carried(np.add.reduceat(suppliers.sums[0], first), UG_BITS))
        largest = kg >= np.partition(kg, -MOST_NAMED)[-MOST_NAMED]  # what is not less is not less as floats
        suppliers = where(suppliers, np.repeat(largest, np.diff(first, append=len(ids))))
    return combine_tallies([Tally((suppliers.keys[0],), suppliers.rows, suppliers.sums)])


async def _top(db: Connection, tenant_id: int, largest: Tally, named: int) -> Sequence[pb.TopSupplier]:
    ids = largest.keys[0].tolist()
    rows = await db.fetch(QUERIES["suppliers_of"], tenant_id, ids)
    of = {row["supplier_id"]: dict(row) for row in rows}
    found = zip(ids, largest.rows.tolist(), ug_ints(largest.sums[0]), strict=True)
    ordered = sorted(found, key=lambda item: (-item[2], of[item[0]]["code"]))[:named]
    return [_top_supplier(of[number], rows, ug) for number, rows, ug in ordered]


def _top_supplier(stored: Mapping[str, str], rows: int, ug: int) -> pb.TopSupplier:
    return pb.TopSupplier(
        supplier=f"suppliers/{quote(stored['code'], safe='')}",
        code=stored["code"],
        display_name=stored["display_name"],
        country=stored["country"],
        rows=rows,
        kg_co2e=ug / 10**9,
    )


async def coverage_of(db: Connection, tenant_id: int, suppliers: SuppliersOf, count: int) -> pb.SupplierCoverage:
    """Return how many of `count` suppliers are active, and of how many of them there are emissions."""
    inactive = [row["supplier_id"] for row in await db.fetch(QUERIES["inactive_suppliers"], tenant_id)]

    def active(ids: Keys) -> int:
        return len(ids) - int(np.isin(inactive, ids, assume_unique=True).sum())

    return pb.SupplierCoverage(
        suppliers=count - len(inactive),
        with_emissions=active(suppliers.with_emissions),
        with_primary_data=active(suppliers.with_own),
    )


async def _add_uploads(db: Connection, tenant_id: int, message: pb.Dashboard) -> None:
    rows = await db.fetch(QUERIES["open_uploads"], tenant_id, OPEN_UPLOADS)
    message.open_uploads.extend(upload_message(uploads.record(row)) for row in rows)
    message.open_upload_count = await db.fetchval(QUERIES["count_open_uploads"], tenant_id)


def _quarter(day: date) -> int:
    return month_number(day) // 3


def _date(day: date) -> Date:
    return Date(year=day.year, month=day.month, day=day.day)
