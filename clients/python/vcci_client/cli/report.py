"""`vcci report` makes a report; `vcci reports` finds those that were made."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vcci_client.cli.connect import resource, with_client
from vcci_client.cli.dashboard import Quarters
from vcci_client.cli.gases import gwp_set_option
from vcci_client.cli.operations import print_operations
from vcci_client.cli.output import first, json_option, print_json, print_more, print_table

if TYPE_CHECKING:
    from vcci.v1 import report_service_pb2 as pb

    from vcci_client.client import AsyncClient

KINDS = ("ghg-protocol-scope-3", "esrs-e1-6", "cdp-c6", "ifrs-s2", "iso-14083")
FORMATS = ("pdf", "xlsx", "html", "csv", "json")

out_option = click.option(
    "-o", "--output", "path", type=click.Path(dir_okay=False, path_type=Path), help="The file; else a name of its own."
)


@click.command()
@click.option("--kind", type=click.Choice(KINDS), default=KINDS[0], show_default=True)
@click.option("--format", "file_format", type=click.Choice(FORMATS), help="Else by the ending of the file, else pdf.")
@out_option
@click.option("--period", type=Quarters(), help="2025 or 2025-Q1; else the last year that has emissions.")
@click.option("--organization", default="", help="Whose report it is, for the first page.")
@click.option("--as-of", default="", help="With the results of this run, `runs/3` or `3`; else as ingested.")
@gwp_set_option
@click.option("--suppliers", type=click.IntRange(1, 10_000), default=50, show_default=True, help="To list.")
@click.option("--base-year", type=int, default=0, help="To compare with; the same months as the period.")
@click.option("--revenue", type=(click.FloatRange(0), str), metavar="AMOUNT CURRENCY", help="Net revenue: 1.2e9 EUR.")
@click.option(
    "--statements",
    "statement_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A TOML file of what only the organization knows; docs/reports.md has an example.",
)
@click.option("--start", "only_start", is_flag=True, help="Begin it at the server; `vcci operations` has it later.")
@json_option
@with_client
async def report(
    client: "AsyncClient",
    /,
    kind: str,
    file_format: str | None,
    path: Path | None,
    period: tuple[date, date] | None,
    as_of: str,
    suppliers: int,
    revenue: tuple[float, str] | None,
    statement_file: Path | None,
    only_start: bool,
    as_json: bool,
    **wanted: Any,
) -> None:
    """Make a report about a period's emissions, and store it as FILE."""
    from vcci.v1.report_service_pb2 import ReportFormat, ReportKind

    from vcci_client.services.reports import report_request

    ending = path.suffix[1:].lower() if path else ""
    chosen = file_format or (ending if ending in FORMATS else "pdf")
    which = (
        ReportFormat.Value(f"REPORT_FORMAT_{chosen.upper()}"),
        ReportKind.Value(f"REPORT_KIND_{kind.replace('-', '_').upper()}"),
    )
    wanted |= {
        "period": period,
        "as_of": resource("runs", as_of) if as_of else "",
        "supplier_limit": suppliers,
        "statements": _statements(statement_file, revenue),
    }
    if only_start:
        print_operations([await client.start_operation(report_request(*which, **wanted))], as_json)
        return
    made = await client.generate_report(*which, on_progress=_show_progress, **wanted)
    _write(made.report, made.file, path, as_json)


@click.group()
def reports() -> None:
    """Finished reports: list them, get their files again, delete them."""


@reports.command("list")
@click.option("--limit", type=click.IntRange(0), default=50, show_default=True, help="0: all.")
@json_option
@with_client
async def list_command(client: "AsyncClient", limit: int, as_json: bool) -> None:
    """List reports, newest first."""
    found = await first(client.list_reports(), limit)
    shown = found[:limit] if limit else found
    if as_json:
        for one in shown:
            print_json(one)
    else:
        columns = ("report", "made", "file", "organization", "bytes")
        rows = ((of.name, f"{of.create_time.ToDatetime():%Y-%m-%d %H:%M}", *_told(of)) for of in shown)
        print_table(columns, rows, numbers=("bytes",))
    print_more(found, limit)


@reports.command()
@click.argument("name")
@out_option
@json_option
@with_client
async def download(client: "AsyncClient", name: str, path: Path | None, as_json: bool) -> None:
    """Get the file of the report NAME, `reports/3` or `3`, again."""
    found = await client.download_report(resource("reports", name))
    _write(found.report, found.file, path, as_json)


@reports.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@with_client
async def delete(client: "AsyncClient", names: tuple[str, ...]) -> None:
    """Delete the reports NAME, `reports/3` or `3`, and their files, for good."""
    for name in names:
        await client.delete_report(resource("reports", name))
        click.echo(f"{resource('reports', name)} is deleted")


def _statements(path: Path | None, revenue: tuple[float, str] | None) -> "pb.OrganizationStatements":
    from vcci.v1.report_service_pb2 import OrganizationStatements

    from vcci_client.statement_file import load_statements

    stated = load_statements(path) if path else OrganizationStatements()
    if revenue:
        stated.net_revenue, stated.currency = revenue
    return stated


def _told(of: "pb.Report") -> tuple[str, str, str]:
    return of.filename, of.organization, f"{of.size_bytes:,}"


def _show_progress(progress: "pb.ReportProgress") -> None:
    click.echo(f"{progress.steps_done} of {progress.steps_total}: {progress.step}", err=True)


def _write(of: "pb.Report", file: bytes, path: Path | None, as_json: bool) -> None:
    path = path or Path(of.filename)
    try:
        path.write_bytes(file)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}; {of.name} has the file") from None
    if as_json:
        print_json(of)
    else:
        click.echo(f"{of.name} is in {path} ({len(file):,} bytes)")
