"""GenerateReport, GetReport, ListReports and DownloadReport over a real channel, against AggregateEmissions."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Awaitable
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any
from uuid import uuid4

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2
from openpyxl import load_workbook
from vcci.v1 import emission_service_pb2 as emission_pb
from vcci.v1 import report_service_pb2 as pb
from vcci_server import reports
from vcci_server.report.cells import shown
from vcci_server.storage.pool import Pool

from tests.server.emission_reader import problem, status_of
from tests.server.report_caller import DAY, Caller, serve_reports
from tests.server.stored_emissions import StoredEmissions
from tests.waiting import until

CATEGORY, TIER = emission_pb.DIMENSION_CATEGORY, emission_pb.DIMENSION_METHOD_TIER
COLUMNS = ("t_co2e", "median", "low", "high")


@pytest.fixture
async def caller(pool: Pool) -> AsyncIterator[Caller]:
    """The service, with uploads at every stage."""
    async with serve_reports(pool) as caller:
        yield caller


async def refusal(call: Awaitable[object]) -> tuple[str, str]:
    """Return the status and the reason of a call that is refused."""
    code, status = await status_of(call)
    info = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in status.details)
    return code, info.reason


def tonnes(group: emission_pb.EmissionGroup) -> tuple[float, ...]:
    of = group.estimate
    return tuple(kg / 1000 for kg in (of.kg_co2e, of.kg_co2e_median, of.kg_co2e_low, of.kg_co2e_high))


async def categories(caller: Caller, **request: Any) -> dict[int, tuple[float, ...]]:
    """Return lines and tonnes by category, as AggregateEmissions has them; 0 is the total."""
    found = await caller.totals(CATEGORY, **request)
    groups = {int(group.keys[0]): (group.rows, *tonnes(group)) for group in found.groups}
    return {**groups, 0: (found.total.rows, *tonnes(found.total))}


@pytest.mark.parametrize("gwp_set", ["", "AR6"])
async def test_the_sums_of_a_report_are_those_of_aggregates(caller: Caller, gwp_set: str) -> None:
    made = await caller.generate(gwp_set=gwp_set, supplier_limit=5)
    table = made.tables["categories"]
    found = {row["category"]: (row["lines"], *(row[name] for name in COLUMNS)) for row in table["rows"] if row["lines"]}
    found[0] = (table["total"]["lines"], *(table["total"][name] for name in COLUMNS))
    assert found == await categories(caller, gwp_set=gwp_set)
    assert [row["category"] for row in table["rows"]] == [*range(1, 16)]
    for name, dimension, key in (
        ("years", emission_pb.DIMENSION_YEAR, "year"),
        ("suppliers", emission_pb.DIMENSION_SUPPLIER, "code"),
    ):
        groups = (await caller.totals(dimension, gwp_set=gwp_set, limit=5)).groups
        expected = [(group.keys[0], group.rows, *tonnes(group)) for group in groups]
        rows = [(row[key], row["lines"], *(row[of] for of in COLUMNS)) for row in made.tables[name]["rows"]]
        assert rows[-len(expected) :] == expected
    tiers = {group.keys[0]: tonnes(group) for group in (await caller.totals(TIER, gwp_set=gwp_set)).groups}
    rows = made.tables["tiers"]["rows"]
    assert sorted(tuple(row[of] for of in COLUMNS) for row in rows) == sorted(tiers.values())
    primary = table["total"]["primary_share"]
    assert primary == pytest.approx(tiers["supplier_specific"][0] / table["total"]["t_co2e"])


async def test_gases_factors_and_data_quality_add_up_to_the_total(caller: Caller) -> None:
    tables = (await caller.generate()).tables
    aggregate = (await caller.totals(include_gases=True)).total
    gases = {row["gas"]: (row["kg"], row["t_co2e"]) for row in tables["gases"]["rows"]}
    assert gases == {gas.gas: (gas.kg, gas.kg_co2e / 1000) for gas in aggregate.composition.gases}
    total = aggregate.estimate.kg_co2e / 1000
    for name in ("gwp_sets", "quality"):
        assert sum(row["t_co2e"] for row in tables[name]["rows"]) == pytest.approx(total)
    own = next(row for row in tables["tiers"]["rows"] if row["tier"].startswith("Supplier-specific"))
    for name in ("factors", "factor_sources"):
        assert sum(row["t_co2e"] for row in tables[name]["rows"]) == pytest.approx(total - own["t_co2e"])
    assert sum(row["t_co2e"] for row in tables["methods"]["rows"]) == pytest.approx(total)
    formulas = {row["method"]: row for row in tables["formulas"]["rows"]}
    assert {*formulas} == {row["method"] for row in tables["methods"]["rows"]}
    assert all(row["formula"] and row["source"] for row in formulas.values())


async def test_csv_has_the_same_numbers(caller: Caller) -> None:
    made = await caller.generate(format=pb.REPORT_FORMAT_CSV)
    lines = [*csv.reader(io.StringIO(made.file.decode("utf-8-sig"), newline=""))]
    start = next(n for n, line in enumerate(lines) if line[:2] == ["table", "categories"]) + 2
    rows = lines[start : lines.index([], start)]
    found = {int(row[0] or 0): (int(row[2]), *map(float, row[3:7])) for row in rows if row[2]}
    assert found == await categories(caller)


async def test_a_workbook_has_typed_cells_and_frozen_headers(caller: Caller) -> None:
    made = await caller.generate(format=pb.REPORT_FORMAT_XLSX)
    book = load_workbook(io.BytesIO(made.file))
    sheet = book["categories"]
    found = {}
    for row in sheet.iter_rows(min_row=2, max_row=17):
        if row[2].value is not None:
            assert [cell.data_type for cell in row] == [*"nsnnnnnnn"]
            found[row[0].value or 0] = tuple(cell.value for cell in row[2:7])
    expected = await categories(caller)
    assert set(found) == set(expected)
    for number, values in expected.items():
        assert found[number] == pytest.approx(values, rel=1e-15)  # workbooks have 16 digits
    assert {of.freeze_panes for of in book.worksheets[1:]} == {"A2"}
    assert book["suppliers"]["I2"].number_format == "0.0%"


class Cells(HTMLParser):
    """The rows of the table with an id, and everything that a page would fetch."""

    def __init__(self, table: str, page: str) -> None:
        super().__init__()
        self._table, self._inside = table, False
        self.rows: list[list[str]] = []
        self.fetched: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [f"{tag} {name}" for name, _ in attrs if name == "src"] + [tag] * (tag in ("script", "link"))
        self._inside = self._inside or (tag == "table" and ("id", self._table) in attrs)
        if self._inside and tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "table"

    def handle_data(self, data: str) -> None:
        if self._inside and self.rows and data.strip():
            self.rows[-1].append(data)


async def test_a_page_needs_no_other_file_and_shows_the_same_numbers(caller: Caller) -> None:
    made = await caller.generate(format=pb.REPORT_FORMAT_HTML)
    cells = Cells("categories", made.file.decode())
    assert not cells.fetched
    total = (await categories(caller))[0]
    assert cells.rows[-1][1:6] == [f"{total[0]:,}", *(shown(of, "tonnes") for of in total[1:])]


async def test_a_pdf_is_made(caller: Caller) -> None:
    made = await caller.generate(format=pb.REPORT_FORMAT_PDF)
    assert made.file.startswith(b"%PDF-1.")
    assert made.report.media_type == "application/pdf"
    assert made.report.filename == "ghg-protocol-scope-3-2025-01-2025-12.pdf"


async def test_progress_comes_first_and_a_report_can_be_fetched_again(caller: Caller) -> None:
    made = await caller.generate(organization="Werk Süd GmbH", format=pb.REPORT_FORMAT_PDF)
    assert [progress.steps_done for progress in made.progress] == [*range(made.progress[0].steps_total)]
    report = made.report
    assert (report.size_bytes, report.sha256) == (len(made.file), sha256(made.file).hexdigest())
    assert len(made.chunks) == -(-len(made.file) // (256 << 10))
    assert await caller.download(report.name) == made.file
    metadata = caller.metadata()
    assert await caller.stub.GetReport(pb.GetReportRequest(name=report.name), metadata=metadata) == report
    assert [of.name for of in report.inputs] == ["emissions", f"factorSets/{caller.stages.store.factor_set_id}"]


async def test_reports_are_listed_newest_first_in_pages(caller: Caller) -> None:
    made = [(await caller.generate()).report for _ in range(3)]
    found: list[pb.Report] = []
    token = ""
    while not found or token:
        request = pb.ListReportsRequest(page_size=2, page_token=token)
        page = await caller.stub.ListReports(request, metadata=caller.metadata())
        found += page.reports
        token = page.next_page_token
    assert found == made[::-1]


async def test_a_deleted_report_is_gone_and_its_request_makes_another(caller: Caller) -> None:
    request_id = uuid4().hex
    made, kept = [await caller.generate(request_id=one) for one in (request_id, uuid4().hex)]
    request = pb.DeleteReportRequest(name=made.report.name)
    await caller.stub.DeleteReport(request, metadata=caller.metadata())
    assert await refusal(caller.stub.DeleteReport(request, metadata=caller.metadata())) == ("NOT_FOUND", "NOT_FOUND")
    assert await refusal(caller.download(made.report.name)) == ("NOT_FOUND", "NOT_FOUND")
    page = await caller.stub.ListReports(pb.ListReportsRequest(), metadata=caller.metadata())
    assert [*page.reports] == [kept.report]
    again = await caller.generate(request_id=request_id)
    assert again.report.name not in {made.report.name, kept.report.name}
    assert again.tables == made.tables


async def test_a_report_of_another_tenant_is_not_deleted(caller: Caller, pool: Pool) -> None:
    made = await caller.generate()
    other = (await StoredEmissions.of_new_tenant(pool)).tenant
    request = pb.DeleteReportRequest(name=made.report.name)
    call = caller.stub.DeleteReport(request, metadata=caller.metadata(other))
    assert await refusal(call) == ("NOT_FOUND", "NOT_FOUND")
    assert await caller.download(made.report.name) == made.file
    assert await problem(caller.stub.DeleteReport(pb.DeleteReportRequest(name="3"), metadata=caller.metadata())) == (
        "name",
        "MALFORMED_VALUE",
    )


async def test_the_same_request_gives_the_same_report_and_another_one_is_refused(caller: Caller) -> None:
    request_id = uuid4().hex
    made, again = [await caller.generate(request_id=request_id) for _ in range(2)]
    assert (again.report, again.file) == (made.report, made.file)
    assert await refusal(caller.generate(request_id=request_id, organization="another")) == (
        "FAILED_PRECONDITION",
        "REQUEST_ID_REUSED",
    )


async def test_the_same_request_twice_at_the_same_time_makes_one_report(caller: Caller) -> None:
    request_id = uuid4().hex
    one, other = await asyncio.gather(*(caller.generate(request_id=request_id) for _ in range(2)))
    assert (one.report, one.file) == (other.report, other.file)


async def test_calls_that_are_cancelled_make_room_for_others(caller: Caller) -> None:
    async def is_made() -> str:
        try:
            return (await caller.generate()).report.name
        except grpc.aio.AioRpcError as error:
            if error.code() != grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise
            return ""

    for _ in range(reports.MOST_AT_ONCE):
        call = caller.start()
        await anext(aiter(call))
        call.cancel()
    assert await until(is_made)


async def test_the_hash_of_emissions_changes_with_them_and_with_nothing_else(caller: Caller) -> None:
    async def hashed() -> str:
        return (await caller.generate()).report.inputs[0].sha256

    before = await hashed()
    await caller.stages.store.finalize(caller.stages.uploads[2])
    await caller.stages.fold(1_000)
    await caller.stages.merge_all()
    assert await hashed() == before
    await caller.stages.store.finalize(caller.stages.uploads[1])
    assert await hashed() != before


async def test_another_tenant_sees_nothing_of_it(caller: Caller, pool: Pool) -> None:
    made = await caller.generate()
    other = (await StoredEmissions.of_new_tenant(pool)).tenant
    assert await refusal(caller.download(made.report.name, other)) == ("NOT_FOUND", "NOT_FOUND")
    assert await refusal(caller.generate(other)) == ("FAILED_PRECONDITION", "NOTHING_TO_REPORT")


@pytest.mark.parametrize(
    ("wrong", "field", "reason"),
    [
        ({"request_id": ""}, "request_id", "REQUIRED_FIELD"),
        ({"kind": 0}, "kind", "OUT_OF_RANGE"),
        ({"format": 99}, "format", "OUT_OF_RANGE"),
        ({"period_start": {**DAY, "month": 2}}, "period_start", "OUT_OF_RANGE"),
        ({"period_end": None}, "period_end", "REQUIRED_FIELD"),
        ({"as_of": "run 3"}, "as_of", "MALFORMED_VALUE"),
        ({"gwp_set": "AR99"}, "gwp_set", "UNKNOWN_GWP_SET"),
        ({"organization": "x" * 129}, "organization", "LIMIT_EXCEEDED"),
        ({"supplier_limit": -1}, "supplier_limit", "OUT_OF_RANGE"),
    ],
)
async def test_a_wrong_request_names_the_field(caller: Caller, wrong: dict[str, Any], field: str, reason: str) -> None:
    assert await problem(caller.generate(**wrong)) == (field, reason)


async def test_too_many_reports_at_once_are_told_to_come_again(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "MOST_AT_ONCE", 0)
    assert await refusal(caller.generate()) == ("RESOURCE_EXHAUSTED", "OVERLOADED")


async def test_a_file_that_is_too_large_is_refused(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "MOST_BYTES", 1_000)
    assert await problem(caller.generate()) == ("supplier_limit", "LIMIT_EXCEEDED")
