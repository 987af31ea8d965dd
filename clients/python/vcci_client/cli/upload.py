"""`vcci upload`: a file of activities, stored once."""

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vcci_client.cli.connect import run_connected, server_options
from vcci_client.cli.follow_ups import then_option, told, works
from vcci_client.cli.output import counted, print_json, tonnes

if TYPE_CHECKING:
    from vcci_client.activity_file import ActivityFile
    from vcci_client.connection import Connection
    from vcci_client.services.uploads import Uploads
    from vcci_client.upload import UploadOptions, UploadSummary

PRINTED = (
    "upload",
    "rows",
    "committed",
    "rejected",
    "duplicates",
    "kg_co2e",
    "kg_co2e_median",
    "kg_co2e_low",
    "kg_co2e_high",
    "operations",
)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", type=FILE)
@click.option("--map", "map_file", type=FILE, help="Mapping of the file's own columns, TOML.")
@click.option("--guess", is_flag=True, help="Print a mapping proposed for the file, and send nothing.")
@click.option("--resume", is_flag=True, help="Go on with an upload of this file that was interrupted.")
@click.option("--again", is_flag=True, help="Store the file once more, though it was stored before.")
@click.option("--name", default="", help="Name for people; else the file's.")
@click.option("--pending", is_flag=True, help="Make the rows visible all at once, at the end.")
@click.option("--allow-negative", is_flag=True, help="Take negative quantities (credit notes).")
@click.option("--all-or-nothing", is_flag=True, help="Refuse a batch when one of its rows is wrong.")
@click.option(
    "--form", type=click.Choice(["columns", "rows"]), default="columns", show_default=True, help="On the wire."
)
@click.option("--batch-rows", type=click.IntRange(1, 65_000), default=50_000, show_default=True)
@then_option
@click.option("--strict", is_flag=True, help="Exit with status 1 when a row was rejected.")
@click.option("--json", "as_json", is_flag=True, help="Print one object, for programs.")
@server_options
def upload(
    file: Path,
    map_file: Path | None,
    guess: bool,
    resume: bool,
    again: bool,
    strict: bool,
    as_json: bool,
    server: str,
    token: str,
    **options: Any,
) -> None:
    """Store a file of activities: CSV, JSON Lines, XLSX or Parquet (docs/files.md).

    The same contents are stored once: a second time, the command only says what the first one came to. Rows that are
    wrong are rejected one by one, and `vcci uploads errors` lists them; the others are stored.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # else NumPy's import keeps every core busy for 0.1 s
    from vcci_client.errors import FileProblem

    try:
        if guess:
            _guess(file)
            return
        wanted = _options(**options)
        with _opened(file, map_file) as activities:
            activities.begin(wanted.batch_rows)  # while the server is called
            summary = run_connected(
                server, token, lambda connection: _upload(connection, activities, wanted, resume, again, as_json)
            )
    except FileProblem as error:
        raise click.ClickException(str(error)) from None
    if strict and summary.rejected:
        sys.exit(1)


def _guess(file: Path) -> None:
    from vcci_client.guess import guess_mapping

    click.echo(guess_mapping(file), nl=False)


def _opened(file: Path, map_file: Path | None) -> "ActivityFile":
    from vcci_client.activity_file import ActivityFile
    from vcci_client.mapping import load_mapping

    return ActivityFile(file, load_mapping(map_file) if map_file else None)


def _options(name: str, form: str, follow_ups: tuple[str, ...], **others: Any) -> "UploadOptions":
    from vcci_client.encode import Form
    from vcci_client.upload import UploadOptions
    from vcci_client.work import task_of

    tasks = tuple(map(task_of, works(follow_ups)))
    return UploadOptions(display_name=name, form=Form(form), follow_ups=tasks, **others)


async def _upload(
    connection: "Connection",
    file: "ActivityFile",
    options: "UploadOptions",
    resume: bool,
    again: bool,
    as_json: bool,
) -> "UploadSummary":
    from vcci_client.cli.progress import showing_progress
    from vcci_client.errors import AlreadyStarted, BatchRefused, UploadInterrupted
    from vcci_client.services.uploads import Uploads

    client = Uploads(connection)
    way_on = "--again --resume" if again else "--resume"
    try:
        with showing_progress(file.path.name, lambda _: file.fraction_read() or 0.0, quiet=as_json) as on_progress:
            summary = await client.upload_file(file, options, resume=resume, again=again, on_progress=on_progress)
    except AlreadyStarted as error:
        raise click.ClickException(f"{error}. {way_on} goes on with it; --again stores the file once more.") from None
    except UploadInterrupted as error:
        raise click.ClickException(f"{error}. {way_on} goes on with it.") from None
    except BatchRefused as error:
        hint = f"`vcci uploads abandon {error.upload}` removes what was stored before it"
        raise click.ClickException(f"{error}. {hint}.") from None
    except asyncio.CancelledError:
        click.echo(f"Interrupted; {way_on} goes on with it.", err=True)
        raise
    if as_json:
        seconds = {"seconds": round(summary.seconds, 3), "rows_per_second": round(summary.rows_per_second)}
        print_json({name: getattr(summary, name) for name in PRINTED} | seconds)
    else:
        await _print(client, file.path, summary)
    return summary


async def _print(client: "Uploads", path: Path, summary: "UploadSummary") -> None:
    from vcci_client.row_errors import count_by_reason

    if summary.already_done:
        click.echo(f"{path.name} was uploaded before ({summary.upload}); --again stores it once more.")
    else:
        speed = f"{summary.seconds:,.1f} s, {summary.rows_per_second:,.0f} rows/s"
        click.echo(f"{path.name} is stored as {summary.upload} ({speed}).")
    click.echo(f"  rows       {summary.rows:>14,}")
    click.echo(f"  committed  {summary.committed:>14,}")
    click.echo(f"  rejected   {summary.rejected:>14,}")
    interval = f"{tonnes(summary.kg_co2e_low)} to {tonnes(summary.kg_co2e_high)}"
    click.echo(f"  t CO2e     {tonnes(summary.kg_co2e):>14}  (the rows' medians, added up)")
    click.echo(f"  median     {tonnes(summary.kg_co2e_median):>14}  (of their sum; 95 % interval {interval})")
    if summary.operations:
        click.echo(told(summary.operations))
    if summary.rejected:
        reasons = await count_by_reason(client, summary.upload)
        click.echo(f"Rejected: {counted(reasons)}.")
        click.echo(f"`vcci uploads errors {summary.upload}` lists them.")
