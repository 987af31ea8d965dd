"""A tenant's state at a glance. What is made of rollups alone is kept until these change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from urllib.parse import quote

import numpy as np
from google.type.date_pb2 import Date
from vcci.v1 import emission_service_pb2 as pb
from vcci_engine.dates import FIRST_YEAR, LAST_YEAR
from vcci_engine.totals import nearest_floats, ug_ints

from vcci_server.calculation_messages import estimate_message
from vcci_server.emission_sums import Summation, Table
from vcci_server.run_messages import request_of
from vcci_server.storage import runs, uploads
from vcci_server.storage.figures import Folded, where
from vcci_server.storage.labels import TIERS, Labels
from vcci_server.storage.passes import Tally, combine_tallies
from vcci_server.storage.pool import Connection, Pool
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.reading import Filter, snapshot
from vcci_server.storage.standing import CATEGORY, FACTOR, Standing, not_folded, read_standing
from vcci_server.storage.summing import Run
from vcci_server.storage.sums import Keys, Sums, month_number, month_start, quarter_start
from vcci_server.upload_messages import upload_message
from vcci_server.validation import Problems, resource_id

NAMED, MOST_NAMED = 10, 100
OPEN_UPLOADS = 20
MOST_KEPT = 64  # dashboards, of all tenants and periods; with 100,000 suppliers a megabyte each
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


_Key = tuple[int, Period, int]  # tenant, period, and the run as of which it is


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is made of the rollups, as they were after so many folds."""

    folds: int
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
        self._kept: dict[_Key, _Kept] = {}

    async def get(self, tenant_id: int, request: pb.GetDashboardRequest) -> pb.Dashboard:
        """Return the dashboard of a period, else of the last calendar year that has emissions."""
        asked, named = asked_for(request)
        async with snapshot(self._pool) as db:
            chosen = await _as_of(db, tenant_id, request.as_of)
            folds: int = await db.fetchval(QUERIES["count_of_folds"], tenant_id)
            not_yet = await not_folded(db, self._run, tenant_id)
            period = asked or await last_year(db, tenant_id, not_yet)
            key = (tenant_id, period, chosen.as_of)
            made = self._kept.get(key)
            if made is None or made.folds != folds or len(not_yet):
                made = _Kept(folds, *await self._make(db, tenant_id, period, not_yet, chosen))
                if not len(not_yet):
                    self._keep(key, made)
            message = pb.Dashboard()
            message.CopyFrom(made.message)
            message.top_suppliers.extend(await _top(db, tenant_id, made.suppliers.largest, named))
            message.coverage.CopyFrom(await coverage_of(db, tenant_id, made.suppliers))
            await _add_uploads(db, tenant_id, message)
        return message

    async def _make(
        self, db: Connection, tenant_id: int, period: Period, not_yet: Folded, chosen: Filter
    ) -> tuple[pb.Dashboard, SuppliersOf]:
        current, before = [
            await read_standing(
                *(db, self._run, tenant_id, (of.start, of.end), not_yet), suppliers=of == period, as_of=chosen.as_of
            )
            for of in (period, period.before)
        ]
        summation = Summation(db, self._run, self._labels, tenant_id, chosen)
        message = pb.Dashboard(
            period_start=_date(period.start),
            period_end=_date(period.end),
            as_of=f"runs/{chosen.as_of}" if chosen.as_of else "",
            total=await _total(summation, current.sums),
            previous_total=await _total(summation, before.sums),
            categories=await self._categories(summation, current.sums),
            method_tiers=await self._tiers(summation, db, tenant_id, current.sums),
            data_quality=grades_of(current),
        )
        if previous := message.previous_total.estimate.kg_co2e:
            message.change = message.total.estimate.kg_co2e / previous - 1
        return message, await self._run(SuppliersOf.of, current.suppliers)

    async def _categories(self, summation: Summation, sums: Sums) -> list[pb.EmissionGroup]:
        categories, group = np.unique(sums.keys[CATEGORY], return_inverse=True)
        groups = await _groups(summation, sums, group, [str(number) for number in categories.tolist()])
        return sorted(groups, key=lambda of: -of.estimate.kg_co2e)

    async def _tiers(self, summation: Summation, db: Connection, tenant_id: int, sums: Sums) -> list[pb.EmissionGroup]:
        factors, place = np.unique(sums.keys[FACTOR], return_inverse=True)
        labels = await self._labels.factors(db, tenant_id, factors.tolist())
        tier = np.array([TIERS.index(labels[factor].tier) for factor in factors.tolist()], np.intp)
        tiers, group = np.unique(tier[place], return_inverse=True)
        return await _groups(summation, sums, group, [TIERS[number] for number in tiers.tolist()])

    def _keep(self, key: "_Key", made: _Kept) -> None:
        while len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = made


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


async def last_year(db: Connection, tenant_id: int, not_yet: Folded) -> Period:
    """Return the last calendar year that has emissions, else the present one."""
    last: date | None = await db.fetchval(QUERIES["last_month"], tenant_id)
    months = [last] if last else []
    if len(not_yet.grades):
        months.append(month_start(int(not_yet.grades.keys[0].max())))
    year: int = max(months).year if months else (await db.fetchval(QUERIES["today"])).year
    return Period(date(year, 1, 1), date(year + 1, 1, 1))


async def _total(summation: Summation, sums: Sums) -> pb.EmissionGroup:
    (total,) = await _groups(summation, sums, np.zeros(len(sums), np.intp), [""])
    del total.keys[:]
    return total


async def _groups(summation: Summation, sums: Sums, group: Keys, labels: Sequence[str]) -> list[pb.EmissionGroup]:
    table = Table.of(("category", "factor"), sums)
    estimates = await summation.estimates(table, group, len(labels))
    rows = np.bincount(group, weights=sums.terms.rows, minlength=len(labels)).tolist()
    return [
        pb.EmissionGroup(keys=[label], rows=int(n), estimate=estimate_message(estimate), composition=composition)
        for label, n, (estimate, composition) in zip(labels, rows, estimates, strict=True)
    ]


def grades_of(of: Standing) -> list[pb.DataQualityShare]:
    """Return how good the data is, best first."""
    found = zip(of.grades.keys[0].tolist(), of.grades.rows.tolist(), ug_ints(of.grades.sums[0]), strict=True)
    return [pb.DataQualityShare(score=score, rows=rows, kg_co2e=ug / 10**9) for score, rows, ug in found if rows]


def _largest(suppliers: Tally) -> Tally:
    """Return the suppliers that may be among the largest."""
    total = combine_tallies([Tally((suppliers.keys[0],), suppliers.rows, suppliers.sums)])
    if len(total) <= MOST_NAMED:
        return total
    kg = nearest_floats(total.sums[0])  # what is not less is not less as floats
    return where(total, kg >= np.partition(kg, -MOST_NAMED)[-MOST_NAMED])


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


async def coverage_of(db: Connection, tenant_id: int, suppliers: SuppliersOf) -> pb.SupplierCoverage:
    """Return how many active suppliers there are, and of how many of them there are emissions."""
    inactive = [row["supplier_id"] for row in await db.fetch(QUERIES["inactive_suppliers"], tenant_id)]
    count: int = await db.fetchval(QUERIES["count_suppliers"], tenant_id)

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
