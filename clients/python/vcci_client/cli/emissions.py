"""`vcci emissions`: stored emissions, out."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vcci_client.cli.connect import resource, with_client

if TYPE_CHECKING:
    from vcci.v1.emission_pb2 import EmissionFilter

    from vcci_client.client import AsyncClient

DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def emissions() -> None:
    """Export stored emissions."""


@emissions.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--upload", default="", help="Only this upload, `uploads/12` or `12`.")
@click.option("--supplier", multiple=True, help="Only this supplier, by code; may be repeated.")
@click.option("--category", multiple=True, type=click.IntRange(1, 15), help="Only this category; may be repeated.")
@click.option("--from", "start", type=DAY, help="Only periods from this day on.")
@click.option("--to", "end", type=DAY, help="Only periods up to this day.")
@with_client
async def export(client: "AsyncClient", /, file: Path, **wanted: Any) -> None:
    """Write emissions to FILE, Parquet or CSV by its ending; each with its 95 % interval."""
    from vcci_client.errors import FileProblem
    from vcci_client.export import export_emissions

    try:
        rows = await export_emissions(client, file, _filter(**wanted))
    except FileProblem as error:
        raise click.UsageError(str(error)) from None
    click.echo(f"{rows:,} emissions are in {file}")


def _filter(
    upload: str, supplier: Sequence[str], category: Sequence[int], start: datetime | None, end: datetime | None
) -> "EmissionFilter":
    from vcci.v1.activity_pb2 import Category
    from vcci.v1.emission_pb2 import EmissionFilter

    return EmissionFilter(
        upload=resource("uploads", upload) if upload else "",
        supplier_codes=supplier,
        categories=[Category.ValueType(number) for number in category],
        period_start=_date(start) if start else None,
        period_end=_date(end + timedelta(days=1)) if end else None,
    )


def _date(day: date) -> Any:
    from google.type.date_pb2 import Date

    return Date(year=day.year, month=day.month, day=day.day)
