"""ReportService: documents for people, made in one snapshot, stored, and fetched again."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, contextmanager
from hashlib import sha256

from google.protobuf.empty_pb2 import Empty
from vcci.v1 import report_service_pb2 as pb
from vcci.v1 import report_service_pb2_grpc
from vcci_cluster import Executor, Work
from vcci_engine.errors import InvalidField, Overloaded, WrongState

from vcci_server.auth import caller
from vcci_server.dashboards import Period, last_year
from vcci_server.emission_filters import check_expression, read_filter
from vcci_server.report.facts import Facts
from vcci_server.report.formats import make
from vcci_server.report.question import Question
from vcci_server.report.reading import Step, read_facts, steps_of
from vcci_server.report_messages import (
    REPORTS,
    check_generate,
    facts_of,
    filter_of,
    format_name,
    kind_name,
    report_message,
    supplier_limit,
)
from vcci_server.storage import reports
from vcci_server.storage.labels import Labels
from vcci_server.storage.pool import Connection, Pool, connection
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.reading import snapshot
from vcci_server.storage.reports import NewReport, ReportRecord
from vcci_server.storage.summing import on_executor
from vcci_server.storage.uploads import LAST
from vcci_server.tokens import read_token, write_token
from vcci_server.validation import page_size, resource_id

LANE = "reporting"
MOST_AT_ONCE = 2  # each holds a connection to the database while it reads, and some ten megabytes
RETRY_S = 2.0
MOST_BYTES = 64 << 20  # of a file
S_PER_REPORT, S_PER_SUPPLIER = 0.2, 0.5e-3  # CPU of rendering PDF, the slowest


class ReportServicer(report_service_pb2_grpc.ReportServiceServicer):
    """Reports of the caller's tenant."""

    def __init__(self, reader: Pool, writer: Pool, executor: Executor) -> None:
        self._reader = reader
        self._writer = writer
        self._executor = executor
        self._run = on_executor(executor, LANE)
        self._labels = Labels()
        self._under_way = 0

    async def GenerateReport(
        self, request: pb.GenerateReportRequest, context: object
    ) -> AsyncIterator[pb.GenerateReportResponse]:
        """Make a report, store it, and stream it; one that was made before is streamed again."""
        tenant_id, stored = caller().tenant_id, None
        async with aclosing(self.make(tenant_id, request)) as events:
            async for event in events:
                if isinstance(event, pb.ReportProgress):
                    yield pb.GenerateReportResponse(progress=event)
                else:
                    stored = event
        assert stored is not None  # the last event
        yield pb.GenerateReportResponse(report=report_message(stored))
        async with aclosing(reports.chunks(self._reader, tenant_id, stored)) as chunks:
            async for chunk in chunks:
                yield pb.GenerateReportResponse(chunk=chunk)

    async def make(
        self, tenant_id: int, request: pb.GenerateReportRequest
    ) -> AsyncGenerator[pb.ReportProgress | ReportRecord]:
        """Yield how far a tenant's report is, and at last the stored report; of one made before only that."""
        asked = check_generate(request)
        contents = request.SerializeToString(deterministic=True)
        async with connection(self._reader) as db:
            stored = await reports.find(db, tenant_id, request.request_id, contents)
        if stored is None:
            with self._one_of_few():
                async with snapshot(self._reader) as db:
                    period = asked or await last_year(db, tenant_id)
                    created = await db.fetchval(QUERIES["now"])
                    facts = facts_of(request, period, created)
                    steps = steps_of(kind_name(request.kind))
                    async with aclosing(self._read(db, tenant_id, request, facts, steps)) as begun:
                        async for done, step in begun:
                            yield _progress(step, done, len(steps))
                yield _progress("writing", len(steps), len(steps))
                stored = await self._store(tenant_id, request, facts, await self._render(request, facts))
        yield stored

    async def GetReport(self, request: pb.GetReportRequest, context: object) -> pb.Report:
        """Return a report."""
        report_id = resource_id(request.name, REPORTS)
        return report_message(await reports.get(self._reader, caller().tenant_id, report_id))

    async def ListReports(self, request: pb.ListReportsRequest, context: object) -> pb.ListReportsResponse:
        """List reports, newest first."""
        tenant_id, size = caller().tenant_id, page_size(request.page_size, 50, 1_000)
        before = read_token(request.page_token, REPORTS, tenant_id, default=LAST)
        found = await reports.list_page(self._reader, tenant_id, limit=size + 1, before=before)
        token = write_token(REPORTS, tenant_id, found[size - 1].report_id) if len(found) > size else ""
        return pb.ListReportsResponse(reports=map(report_message, found[:size]), next_page_token=token)

    async def DownloadReport(
        self, request: pb.DownloadReportRequest, context: object
    ) -> AsyncIterator[pb.DownloadReportResponse]:
        """Stream the file of a report."""
        tenant_id = caller().tenant_id
        stored = await reports.get(self._reader, tenant_id, resource_id(request.name, REPORTS))
        async with aclosing(reports.chunks(self._reader, tenant_id, stored)) as chunks:
            async for chunk in chunks:
                yield pb.DownloadReportResponse(chunk=chunk)

    async def DeleteReport(self, request: pb.DeleteReportRequest, context: object) -> Empty:
        """Delete a report with its file."""
        await reports.delete(self._writer, caller().tenant_id, resource_id(request.name, REPORTS))
        return Empty()

    async def _read(
        self,
        db: Connection,
        tenant_id: int,
        request: pb.GenerateReportRequest,
        facts: Facts,
        steps: Mapping[str, Step],
    ) -> AsyncGenerator[tuple[int, str]]:
        """Fill the facts; yield how many steps are done, and the next."""
        chosen = await read_filter(db, tenant_id, filter_of(request, facts.period))
        check_expression(chosen, request.gwp_set)
        limit = supplier_limit(request)
        of = Question(db, self._run, self._labels, tenant_id, chosen, request.gwp_set, limit)
        try:
            async with aclosing(read_facts(of, facts, steps)) as begun:
                done = 0
                async for step in begun:
                    if done and not facts.total.rows:
                        raise _nothing(facts.period)
                    yield done, step
                    done += 1
        except InvalidField as error:  # of what sums may be by: the request of a report has no such field
            expected = f"a shorter period: {error.problem.expected}"
            raise InvalidField("period_start", facts.period.start, expected, reason=error.reason) from None

    async def _render(self, request: pb.GenerateReportRequest, facts: Facts) -> bytes:
        args = (facts, kind_name(request.kind), format_name(request.format))
        rows = len(facts.suppliers)
        estimated_s = S_PER_REPORT + S_PER_SUPPLIER * rows
        work = Work("report", make, args, estimated_s, rows, lane=LANE)
        file = await self._executor.run(work)
        if len(file) > MOST_BYTES:
            expected = f"fewer suppliers: the file has {len(file)} bytes, {MOST_BYTES} is the most"
            raise InvalidField("supplier_limit", request.supplier_limit, expected, reason="LIMIT_EXCEEDED")
        return file

    async def _store(
        self, tenant_id: int, request: pb.GenerateReportRequest, facts: Facts, file: bytes
    ) -> ReportRecord:
        new = NewReport(
            request_id=request.request_id,
            request=request.SerializeToString(deterministic=True),
            period_start=facts.period.start,
            period_end=facts.period.end,
            inputs=facts.inputs,
            sha256=await self._run(_sha256, file),
            file=file,
            created_at=facts.created,
        )
        return await reports.create(self._writer, tenant_id, new)

    @contextmanager
    def _one_of_few(self) -> Iterator[None]:
        if self._under_way >= MOST_AT_ONCE:
            raise Overloaded(f"{MOST_AT_ONCE} reports are being made already", retry_after_s=RETRY_S)
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1


def _progress(step: str, done: int, reading: int) -> pb.ReportProgress:
    return pb.ReportProgress(step=step, steps_done=done, steps_total=reading + 1)


def _nothing(period: Period) -> WrongState:
    return WrongState(
        f"there are no emissions from {period.start} up to {period.end}",
        reason="NOTHING_TO_REPORT",
        metadata={"period_start": str(period.start), "period_end": str(period.end)},
    )


def _sha256(file: bytes) -> str:
    return sha256(file).hexdigest()
