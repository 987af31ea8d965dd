"""ReportService."""

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import date
from typing import Any

import grpc
from google.type.date_pb2 import Date
from vcci.v1 import report_service_pb2 as pb

from vcci_client.connection import Service
from vcci_client.errors import Unavailable

PER_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class ReportFile:
    """A finished report and its file."""

    report: pb.Report
    file: bytes


def ignore(progress: pb.ReportProgress) -> None:
    """Do nothing about progress."""


class Reports(Service):
    """Documents about a period's emissions."""

    async def generate_report(
        self,
        file_format: pb.ReportFormat.ValueType,
        kind: pb.ReportKind.ValueType = pb.REPORT_KIND_GHG_PROTOCOL_SCOPE_3,
        *,
        period: tuple[date, date] | None = None,
        organization: str = "",
        as_of: str = "",
        gwp_set: str = "",
        supplier_limit: int = 0,
        base_year: int = 0,
        statements: pb.OrganizationStatements | None = None,
        request_id: str = "",
        on_progress: Callable[[pb.ReportProgress], None] = ignore,
    ) -> ReportFile:
        """Make a report, once per request id; `period` is [first day, day after the last), in whole quarters.

        `statements` are what only the organization knows; a report shows the rest as not provided.
        """
        request = report_request(
            file_format,
            kind,
            period=period,
            request_id=request_id or uuid.uuid4().hex,
            organization=organization,
            as_of=as_of,
            gwp_set=gwp_set,
            supplier_limit=supplier_limit,
            base_year=base_year,
            statements=statements,
        )
        report, chunks = pb.Report(), []
        async with aclosing(self.connection.answers(self.connection.reports.GenerateReport, request)) as answers:
            async for response in answers:
                if response.HasField("progress"):
                    on_progress(response.progress)
                elif response.HasField("report"):
                    report = response.report
                else:
                    chunks.append(response.chunk)
        return _whole(report, chunks)

    async def get_report(self, name: str) -> pb.Report:
        """Return the report `reports/{report}`."""
        return await self.connection.call(self.connection.reports.GetReport, pb.GetReportRequest(name=name))

    async def list_reports(self) -> AsyncIterator[pb.Report]:
        """Yield the finished reports, newest first."""
        request = pb.ListReportsRequest(page_size=PER_PAGE)
        async for page in self.connection.pages(self.connection.reports.ListReports, request):
            for report in page.reports:
                yield report

    async def download_report(self, name: str) -> ReportFile:
        """Return a finished report with its file."""
        report = await self.get_report(name)
        answers = self.connection.answers(self.connection.reports.DownloadReport, pb.DownloadReportRequest(name=name))
        chunks = [response.chunk async for response in answers]
        return _whole(report, chunks)

    async def delete_report(self, name: str) -> None:
        """Delete a finished report and its file for good."""
        await self.connection.call(self.connection.reports.DeleteReport, pb.DeleteReportRequest(name=name))


def report_request(
    file_format: pb.ReportFormat.ValueType,
    kind: pb.ReportKind.ValueType = pb.REPORT_KIND_GHG_PROTOCOL_SCOPE_3,
    *,
    period: tuple[date, date] | None = None,
    **fields: Any,
) -> pb.GenerateReportRequest:
    """Return the request for a report, for `generate_report`'s fields; it can be begun as an operation too."""
    return pb.GenerateReportRequest(
        kind=kind,
        format=file_format,
        period_start=_date(period[0]) if period else None,
        period_end=_date(period[1]) if period else None,
        **fields,
    )


def _whole(report: pb.Report, chunks: list[bytes]) -> ReportFile:
    file = b"".join(chunks)
    if not report.name or len(file) != report.size_bytes:
        raise Unavailable("the server ended the report before its end", code=grpc.StatusCode.UNAVAILABLE)
    return ReportFile(report, file)


def _date(day: date) -> Date:
    return Date(year=day.year, month=day.month, day=day.day)
