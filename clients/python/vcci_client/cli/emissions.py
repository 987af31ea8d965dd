"""`vcci emissions`: stored emissions, out."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vcci_client.cli.connect import resource, with_client
from vcci_client.cli.gases import gwp_set_option, print_composition
from vcci_client.cli.output import SUM, json_option, print_json, print_table, sum_cells

if TYPE_CHECKING:
    from vcci.v1.emission_pb2 import EmissionFilter
    from vcci.v1.emission_service_pb2 import Dimension, EmissionGroup

    from vcci_client.client import AsyncClient

R = TypeVar("R")

SUMS = ("rows", *SUM)
DAY = click.DateTime(["%Y-%m-%d"])


def filter_options(command: Callable[..., R]) -> Callable[..., R]:
    """Add the options that say which emissions, and as of which run; `emission_filter` takes them."""
    as_of = click.option("--as-of", default="", help="With the results of this run, `runs/3` or `3`; else as ingested.")
    return slice_options(as_of(command))


def slice_options(command: Callable[..., R]) -> Callable[..., R]:
    """Add the options that say which emissions; `emission_filter` takes them."""
    for option in (
        click.option("--to", "end", type=DAY, help="Only periods up to this day."),
        click.option("--from", "start", type=DAY, help="Only periods from this day on."),
        click.option("--category", multiple=True, type=click.IntRange(1, 15), help="Only this; may be repeated."),
        click.option("--supplier", multiple=True, help="Only this supplier, by code; may be repeated."),
        click.option("--upload", default="", help="Only this upload, `uploads/12` or `12`."),
    ):
        command = option(command)
    return command


@click.group()
def emissions() -> None:
    """Export stored emissions, and sum them."""


@emissions.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@filter_options
@gwp_set_option
@click.option("--gases", is_flag=True, help="Write kg of each gas, too.")
@with_client
async def export(client: "AsyncClient", /, file: Path, gwp_set: str, gases: bool, **wanted: Any) -> None:
    """Write emissions to FILE, Parquet or CSV by its ending; each with its 95 % interval."""
    from vcci_client.errors import FileProblem
    from vcci_client.export import export_emissions

    try:
        rows = await export_emissions(client, file, emission_filter(**wanted), gwp_set=gwp_set, gases=gases)
    except FileProblem as error:
        raise click.UsageError(str(error)) from None
    click.echo(f"{rows:,} emissions are in {file}")


@emissions.command("sum")
@click.option("--by", "names", multiple=True, help="A dimension, like category or year; may be repeated.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True)
@filter_options
@gwp_set_option
@json_option
@with_client
async def sum_emissions(
    client: "AsyncClient", /, names: Sequence[str], limit: int, gwp_set: str, as_json: bool, **wanted: Any
) -> None:
    """Sum emissions, the largest first, with 95 % intervals and gases."""
    found = await client.aggregate_emissions(
        [*map(_dimension, names)],
        emission_filter=emission_filter(**wanted),
        limit=limit,
        gwp_set=gwp_set,
        include_gases=True,
    )
    if as_json:
        print_json(found)
        return
    total = ["total", *[""] * (len(names) - 1)]
    shown = [*((group.keys, group) for group in found.groups), (total, found.total)]
    print_table((*(names or [""]), *SUMS), ((*keys, *_sum_of(group)) for keys, group in shown), numbers=SUMS)
    print_composition(found.total.composition)


def emission_filter(
    upload: str,
    supplier: Sequence[str],
    category: Sequence[int],
    start: datetime | None,
    end: datetime | None,
    as_of: str = "",
) -> "EmissionFilter":
    """Return the filter of `filter_options`."""
    from vcci.v1.activity_pb2 import Category
    from vcci.v1.emission_pb2 import EmissionFilter

    return EmissionFilter(
        upload=resource("uploads", upload) if upload else "",
        supplier_codes=supplier,
        categories=[Category.ValueType(number) for number in category],
        period_start=_date(start) if start else None,
        period_end=_date(end + timedelta(days=1)) if end else None,
        as_of=resource("runs", as_of) if as_of else "",
    )


def _dimension(name: str) -> "Dimension.ValueType":
    from vcci.v1.emission_service_pb2 import Dimension

    known = [key.removeprefix("DIMENSION_").lower() for key, number in Dimension.items() if number]
    if name not in known:
        raise click.BadParameter(f"{name!r} is not one of {', '.join(known)}", param_hint="--by")
    return Dimension.Value(f"DIMENSION_{name.upper()}")


def _sum_of(group: "EmissionGroup") -> Sequence[str]:
    return f"{group.rows:,}", *sum_cells(group.estimate)


def _date(day: date) -> Any:
    from google.type.date_pb2 import Date

    return Date(year=day.year, month=day.month, day=day.day)
