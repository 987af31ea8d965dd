"""`vcci uploads`: what was uploaded, and what of it was rejected."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vcci_client.cli.connect import resource, with_client
from vcci_client.cli.follow_ups import then_option, told, works
from vcci_client.cli.output import first, json_option, print_json, print_more, print_table, tonnes

if TYPE_CHECKING:
    from vcci.v1.upload_pb2 import Upload

    from vcci_client.client import AsyncClient


@click.group()
def uploads() -> None:
    """List uploads, their rejected rows; finalize or abandon them."""


@uploads.command("list")
@click.option("--limit", type=click.IntRange(0), default=50, show_default=True, help="0: all.")
@json_option
@with_client
async def list_uploads(client: "AsyncClient", limit: int, as_json: bool) -> None:
    """List uploads, newest first."""
    found = await first(client.list_uploads(), limit)
    shown = found[: limit or None]
    if as_json:
        for upload in shown:
            print_json(upload)
        return
    columns = ("upload", "name", "state", "rows", "committed", "rejected", "t CO2e", "created")
    print_table(columns, map(_cells, shown), numbers=("rows", "committed", "rejected", "t CO2e"))
    print_more(found, limit)


@uploads.command()
@click.argument("name")
@json_option
@with_client
async def show(client: "AsyncClient", name: str, as_json: bool) -> None:
    """Show the upload NAME, `uploads/12` or `12`."""
    _show(await client.get_upload(resource("uploads", name)), as_json)


@uploads.command()
@click.argument("name")
@click.option("--limit", type=click.IntRange(0), default=50, show_default=True, help="0: all.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write all of them as CSV.")
@json_option
@with_client
async def errors(client: "AsyncClient", name: str, limit: int, output: Path | None, as_json: bool) -> None:
    """List the rejected rows of the upload NAME; row 0 is the first one behind the header."""
    from vcci_client import row_errors

    if output:
        number = await row_errors.write_csv(client, resource("uploads", name), output)
        click.echo(f"{number:,} rejected rows are in {output}")
        return
    found = await first(client.list_row_errors(resource("uploads", name)), limit)
    shown = found[: limit or None]
    if as_json:
        for error in shown:
            print_json(dict(zip(row_errors.COLUMNS, row_errors.cells(error), strict=True)) | {"row": error.row})
        return
    print_table(row_errors.COLUMNS, map(row_errors.cells, shown), numbers=("row",))
    print_more(found, limit)


@uploads.command()
@click.argument("name")
@click.option("--row-count", type=click.IntRange(0), help="Only if the upload has so many rows.")
@then_option
@json_option
@with_client
async def finalize(
    client: "AsyncClient", name: str, row_count: int | None, follow_ups: tuple[str, ...], as_json: bool
) -> None:
    """Close the upload NAME; a pending one becomes visible."""
    done = await client.finalize_upload(resource("uploads", name), row_count, follow_ups=works(follow_ups))
    _show(done, as_json)
    if not as_json and done.operations:
        click.echo(told(done.operations))


@uploads.command()
@click.argument("name")
@json_option
@with_client
async def abandon(client: "AsyncClient", name: str, as_json: bool) -> None:
    """Remove the emissions of the upload NAME."""
    _show(await client.abandon_upload(resource("uploads", name)), as_json)


def _show(upload: "Upload", as_json: bool) -> None:
    if as_json:
        print_json(upload)
        return
    names = ("upload", "name", "state", "rows", "committed", "rejected", "t CO2e", "created")
    for name, cell in zip(names, _cells(upload), strict=True):
        click.echo(f"{name:<10} {cell}")


def _cells(upload: "Upload") -> tuple[str, ...]:
    from vcci.v1.upload_pb2 import Upload

    return (
        upload.name,
        upload.display_name,
        Upload.State.Name(upload.state).removeprefix("STATE_").lower(),
        f"{upload.committed_through:,}",
        f"{upload.accepted_rows:,}",
        f"{upload.rejected_rows:,}",
        tonnes(upload.kg_co2e),
        f"{upload.create_time.ToDatetime():%Y-%m-%d %H:%M:%S} UTC",
    )
