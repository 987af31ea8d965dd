"""Requests for reports, checked, and reports as the contract has them."""

from datetime import date, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date
from vcci.v1 import activity_pb2, emission_pb2, emission_service_pb2
from vcci.v1 import report_service_pb2 as pb
from vcci_engine.dates import FIRST_YEAR, LAST_YEAR
from vcci_engine.errors import InvalidField

from vcci_server.dashboards import Period, asked_for
from vcci_server.gas_messages import check_gwp_set
from vcci_server.report.facts import Facts
from vcci_server.report.formats import FORMATS
from vcci_server.statement_messages import check_statements, statements
from vcci_server.storage.reports import ReportRecord
from vcci_server.validation import MAX_STRING_BYTES, Problems

REPORTS = "reports"
LISTED, MOST_LISTED = 50, 10_000
FREIGHT = (
    activity_pb2.CATEGORY_UPSTREAM_TRANSPORTATION_AND_DISTRIBUTION,
    activity_pb2.CATEGORY_DOWNSTREAM_TRANSPORTATION_AND_DISTRIBUTION,
)

KINDS = pb.ReportKind.values()[1:]
FILE_FORMATS = pb.ReportFormat.values()[1:]


def check_generate(request: pb.GenerateReportRequest) -> Period | None:
    """Return the period, if one is given; raise InvalidFields."""
    problems = Problems()
    problems.request_id(request.request_id)
    if request.kind not in KINDS:
        problems.add("kind", request.kind, "a kind of report", "OUT_OF_RANGE")
    if request.format not in FILE_FORMATS:
        problems.add("format", request.format, "a format", "OUT_OF_RANGE")
    if request.as_of:
        problems.resource("as_of", request.as_of, "runs")
    check_gwp_set(problems, "gwp_set", request.gwp_set)
    problems.text("organization", request.organization, MAX_STRING_BYTES)
    if request.supplier_limit < 0:
        problems.add("supplier_limit", request.supplier_limit, "0 or more", "OUT_OF_RANGE")
    if request.base_year and not FIRST_YEAR <= request.base_year <= LAST_YEAR:
        problems.add("base_year", request.base_year, f"a year from {FIRST_YEAR} to {LAST_YEAR}", "OUT_OF_RANGE")
    check_statements(problems, "statements", request.statements)
    problems.check()
    dashboard = emission_service_pb2.GetDashboardRequest()
    for name in ("period_start", "period_end"):
        if request.HasField(name):
            getattr(dashboard, name).CopyFrom(getattr(request, name))
    return asked_for(dashboard)[0]


def facts_of(request: pb.GenerateReportRequest, period: Period, created: datetime) -> Facts:
    """Return the facts that are known before the store is read; raise InvalidField when the base year is not before."""
    if request.base_year >= period.start.year:
        expected = f"a year before {period.start.year}, in which the period begins"
        raise InvalidField("base_year", request.base_year, expected, reason="OUT_OF_RANGE")
    return Facts(
        organization=request.organization,
        period=period,
        as_of=request.as_of,
        gwp_set=request.gwp_set,
        created=created,
        base_year=request.base_year,
        statements=statements(request.statements),
    )


def supplier_limit(request: pb.GenerateReportRequest) -> int:
    """Return how many suppliers are listed."""
    return min(request.supplier_limit or LISTED, MOST_LISTED)


def filter_of(request: pb.GenerateReportRequest, period: Period) -> emission_pb2.EmissionFilter:
    """Return which emissions a report is about."""
    is_freight = request.kind == pb.REPORT_KIND_ISO_14083
    return emission_pb2.EmissionFilter(
        period_start=_date(period.start),
        period_end=_date(period.end),
        as_of=request.as_of,
        categories=FREIGHT if is_freight else (),
    )


def kind_name(kind: int) -> str:
    """Return `ghg_protocol_scope_3`."""
    return pb.ReportKind.Name(pb.ReportKind.ValueType(kind)).removeprefix("REPORT_KIND_").lower()


def format_name(file_format: int) -> str:
    """Return `pdf`."""
    return pb.ReportFormat.Name(pb.ReportFormat.ValueType(file_format)).removeprefix("REPORT_FORMAT_").lower()


def report_message(stored: ReportRecord) -> pb.Report:
    """Return a finished report."""
    request = pb.GenerateReportRequest.FromString(stored.request)
    created = Timestamp()
    created.FromDatetime(stored.created_at)
    return pb.Report(
        name=f"{REPORTS}/{stored.report_id}",
        kind=request.kind,
        format=request.format,
        organization=request.organization,
        period_start=_date(stored.period_start),
        period_end=_date(stored.period_end),
        as_of=request.as_of,
        gwp_set=request.gwp_set,
        filename=_filename(request, stored),
        media_type=FORMATS[format_name(request.format)].media_type,
        size_bytes=stored.size_bytes,
        sha256=stored.sha256,
        inputs=[
            pb.ReportInput(name=name, sha256=sha256)
            for name, sha256 in zip(stored.input_names, stored.input_hashes, strict=True)
        ],
        create_time=created,
    )


def _filename(request: pb.GenerateReportRequest, stored: ReportRecord) -> str:
    last = stored.period_end - timedelta(days=1)
    kind = kind_name(request.kind).replace("_", "-")
    return f"{kind}-{stored.period_start:%Y-%m}-{last:%Y-%m}.{format_name(request.format)}"


def _date(day: date) -> Date:
    return Date(year=day.year, month=day.month, day=day.day)
