"""What a request says of emissions, checked: filters, columns, dimensions."""

from collections.abc import Sequence
from datetime import date

import numpy as np
from google.type.date_pb2 import Date
from vcci.v1 import activity_pb2, emission_pb2
from vcci.v1 import emission_service_pb2 as pb
from vcci_engine.errors import InvalidField, NotFound

from vcci_server.gas_messages import check_gwp_set
from vcci_server.run_messages import request_of
from vcci_server.storage import runs
from vcci_server.storage.pool import Connection
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.reading import Filter
from vcci_server.storage.runs import RunRecord
from vcci_server.validation import MAX_STRING_BYTES, Problems, resource_id

MOST_SUPPLIERS = 1_000
GROUPS = 1_000
MOST_GROUPS = 10_000

CATEGORIES = activity_pb2.Category.values()[1:]
METHODS = activity_pb2.Method.values()[1:]
DIMENSIONS = pb.Dimension.values()[1:]
COLUMNS = pb.EmissionColumn.values()[1:]
USUAL_COLUMNS = frozenset(COLUMNS) - {pb.EMISSION_COLUMN_GWP_SET, pb.EMISSION_COLUMN_GASES}


def check_stream(request: pb.StreamEmissionsRequest) -> frozenset[int]:
    """Return the columns wanted, or raise InvalidFields."""
    problems = Problems()
    check_filter(request.filter, problems)
    _check_enum("columns", request.columns, COLUMNS, "a column", "OUT_OF_RANGE", problems)
    check_gwp_set(problems, "gwp_set", request.gwp_set)
    problems.check()
    wanted = frozenset(request.columns) or USUAL_COLUMNS
    return wanted | {pb.EMISSION_COLUMN_GWP_SET} if request.gwp_set else wanted


def check_aggregate(request: pb.AggregateEmissionsRequest) -> int:
    """Return how many groups are wanted, or raise InvalidFields."""
    problems = Problems()
    check_sums(request, problems)
    check_gwp_set(problems, "gwp_set", request.gwp_set)
    problems.check()
    return min(request.limit or GROUPS, GROUPS if request.include_gases else MOST_GROUPS)


def check_sums(request: pb.AggregateEmissionsRequest | pb.SimulateEmissionsRequest, problems: Problems) -> None:
    """Note what is wrong with the filter, the dimensions and the limit of sums."""
    check_filter(request.filter, problems)
    _check_enum("group_by", request.group_by, DIMENSIONS, "a dimension", "OUT_OF_RANGE", problems)
    if len(set(request.group_by)) < len(request.group_by):
        problems.add("group_by", [*request.group_by], "each dimension once", "MALFORMED_VALUE")
    if request.limit < 0:
        problems.add("limit", request.limit, "0 or more", "OUT_OF_RANGE")


async def read_filter(connection: Connection, tenant_id: int, given: emission_pb2.EmissionFilter) -> Filter:
    """Return a checked filter with the ids of what it names; an upload must exist, suppliers need not."""
    upload_id = await _upload_id(connection, tenant_id, given.upload) if given.upload else None
    run = await _run(connection, tenant_id, given.as_of) if given.as_of else None
    suppliers = None
    if given.supplier_codes:
        found = await connection.fetch(QUERIES["supplier_ids_of"], tenant_id, [*given.supplier_codes])
        suppliers = np.array([record["supplier_id"] for record in found], np.int32)
    return Filter(
        upload_id=upload_id,
        suppliers=suppliers,
        categories=tuple(sorted(set(given.categories))) or None,
        methods=tuple(sorted(set(given.methods))) or None,
        start=_date(given.period_start) if given.HasField("period_start") else None,
        end=_date(given.period_end) if given.HasField("period_end") else None,
        as_of=run.run_id if run else 0,
        gwp_set=request_of(run).gwp_set if run else "",
    )


def check_expression(chosen: Filter, gwp_set: str, field: str = "gwp_set") -> None:
    """Raise InvalidField when emissions are wanted under a GWP set that their run has expressed in one already."""
    if gwp_set and chosen.gwp_set:
        expected = f"nothing: runs/{chosen.as_of} has expressed what it restated in {chosen.gwp_set}"
        raise InvalidField(field, gwp_set, expected, reason="OUT_OF_RANGE")


async def _run(connection: Connection, tenant_id: int, name: str) -> RunRecord:
    return await runs.fetch_readable(connection, tenant_id, resource_id(name, "runs", "filter.as_of"))


async def _upload_id(connection: Connection, tenant_id: int, name: str) -> int:
    upload_id = resource_id(name, "uploads", "filter.upload")
    if await connection.fetchrow(QUERIES["select_upload"], tenant_id, upload_id) is None:
        raise NotFound(f"there is no {name}", metadata={"name": name})
    return upload_id


def check_filter(given: emission_pb2.EmissionFilter, problems: Problems) -> None:
    """Note what is wrong with a filter."""
    for field, name, collection in (("upload", given.upload, "uploads"), ("as_of", given.as_of, "runs")):
        if name:
            problems.resource(f"filter.{field}", name, collection)
    if len(given.supplier_codes) > MOST_SUPPLIERS:
        expected = f"at most {MOST_SUPPLIERS} suppliers"
        problems.add("filter.supplier_codes", len(given.supplier_codes), expected, "LIMIT_EXCEEDED")
    else:
        for number, code in enumerate(given.supplier_codes):
            problems.text(f"filter.supplier_codes[{number}]", code, MAX_STRING_BYTES, required=True)
    _check_enum("filter.categories", given.categories, CATEGORIES, "a category, 1 to 15", "UNKNOWN_CATEGORY", problems)
    _check_enum("filter.methods", given.methods, METHODS, "a method", "UNKNOWN_METHOD", problems)
    _check_period(given, problems)


def _check_enum(
    field: str, given: Sequence[int], known: Sequence[int], expected: str, reason: str, problems: Problems
) -> None:
    for number, value in enumerate(given):
        if value not in known:
            problems.add(f"{field}[{number}]", value, expected, reason)


def _check_period(given: emission_pb2.EmissionFilter, problems: Problems) -> None:
    days = {}
    for name in ("period_start", "period_end"):
        if given.HasField(name):
            day: Date = getattr(given, name)
            try:
                days[name] = _date(day)
            except ValueError:
                text = f"{day.year:04}-{day.month:02}-{day.day:02}"
                problems.add(f"filter.{name}", text, "a date", "MALFORMED_VALUE")
    if len(days) == 2 and days["period_start"] > days["period_end"]:
        expected = f"not before period_start, {days['period_start']}"
        problems.add("filter.period_end", days["period_end"], expected, "OUT_OF_RANGE")


def _date(given: Date) -> date:
    return date(given.year, given.month, given.day)
