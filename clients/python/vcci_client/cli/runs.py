"""`vcci recalculate` and `vcci runs`: restating what is stored, and what it changed."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from vcci_client.cli.connect import resource, with_client
from vcci_client.cli.emissions import emission_filter, slice_options
from vcci_client.cli.output import first, json_option, print_json, print_more, print_table, tonnes
from vcci_client.cli.progress import showing_rows

if TYPE_CHECKING:
    from vcci.v1.run_pb2 import Run, RunChange

    from vcci_client.client import AsyncClient

CHANGE = ("rows", "before, t", "after, t", "difference, t", "%", "", "why")
NUMBERS = CHANGE[:5]


@click.command()
@click.option("--factor-set", default="", help="Under this set, `factorSets/3` or `3`; else the active one.")
@click.option("--price-set", default="", help="With these prices, `priceSets/3` or `3`; else the active ones.")
@click.option("--gwp-set", default="", help="In this GWP set, like AR6; else each in its factor's own.")
@click.option("--year", type=click.IntRange(1990, 2100), help="Only periods of this year.")
@click.option("--threshold", type=click.FloatRange(0, 1), default=0.05, show_default=True, help="Significant beyond.")
@click.option("--name", default="", help="Name for people.")
@click.option("--request-id", default="", help="The same id is one run: begin it once, and come back to it.")
@slice_options
@json_option
@with_client
async def recalculate(
    client: "AsyncClient",
    /,
    factor_set: str,
    price_set: str,
    gwp_set: str,
    year: int | None,
    threshold: float,
    name: str,
    request_id: str,
    as_json: bool,
    **wanted: Any,
) -> None:
    """Restate stored emissions under another factor set, another GWP set or the methods as they are now.

    The old results stay. Prints what changed, by category and cause; interrupted, it goes on at the server.
    """
    if year is not None:
        if wanted["start"] or wanted["end"]:
            raise click.UsageError("Give --year, or --from and --to.")
        wanted |= {"start": datetime(year, 1, 1), "end": datetime(year, 12, 31)}
    run = await client.recalculate(
        factor_set=resource("factorSets", factor_set) if factor_set else "",
        price_set=resource("priceSets", price_set) if price_set else "",
        gwp_set=gwp_set,
        emission_filter=emission_filter(**wanted),
        significance_threshold=threshold,
        display_name=name,
        request_id=request_id,
    )
    if not as_json:
        click.echo(f"{run.name} restates {run.rows_total:,} rows; `vcci operations cancel {run.name[5:]}` stops it")
    with showing_rows(run.name, quiet=as_json) as tell:
        async for state in client.watch_run(run.name):
            tell(state.rows_done, state.rows_total)
            run = state
    show_run(run, as_json)
    if run.error.message:
        raise click.ClickException(run.error.message)


@click.group()
def runs() -> None:
    """List recalculations and what they changed."""


@runs.command("list")
@click.option("--limit", type=click.IntRange(0), default=20, show_default=True, help="0: all.")
@json_option
@with_client
async def list_runs(client: "AsyncClient", limit: int, as_json: bool) -> None:
    """List the runs, newest first."""
    found = await first(client.list_runs(), limit)
    if as_json:
        for run in found[: limit or None]:
            print_json(run)
        return
    columns = ("run", "name", "state", "factors", "GWP set", "rows", "done", "created")
    print_table(columns, map(_cells, found[: limit or None]), numbers=("rows", "done"))
    print_more(found, limit)


@runs.command()
@click.argument("name")
@json_option
@with_client
async def show(client: "AsyncClient", name: str, as_json: bool) -> None:
    """Show the run NAME, and what it changed by category and cause."""
    show_run(await client.get_run(resource("runs", name)), as_json)


@runs.command()
@click.argument("name")
@click.option("--limit", type=click.IntRange(0), default=50, show_default=True, help="0: all.")
@json_option
@with_client
async def differences(client: "AsyncClient", name: str, limit: int, as_json: bool) -> None:
    """List what the run NAME changed, by supplier and category."""
    found = await first(client.list_run_differences(resource("runs", name)), limit)
    shown = found[: limit or None]
    if as_json:
        for difference in shown:
            print_json(difference)
        return
    rows = ((item.supplier_code, str(item.change.category), *_change_cells(item.change)) for item in shown)
    print_table(("supplier", "category", *CHANGE), rows, numbers=("category", *NUMBERS))
    print_more(found, limit)


@runs.command()
@click.argument("name")
@click.option("--limit", type=click.IntRange(0), default=50, show_default=True, help="0: all.")
@json_option
@with_client
async def errors(client: "AsyncClient", name: str, limit: int, as_json: bool) -> None:
    """List the rows that the run NAME could not calculate; they keep their old values."""
    from vcci_client.errors import reason_name

    found = await first(client.list_run_row_errors(resource("runs", name)), limit)
    shown = found[: limit or None]
    if as_json:
        for item in shown:
            print_json(item)
        return
    rows = (
        (item.upload, f"{error.row:,}", reason_name(error.reason), error.field, error.value, error.expected)
        for item in shown
        for error in [item.row_error]
    )
    print_table(("upload", "row", "reason", "field", "value", "expected"), rows, numbers=("row",))
    print_more(found, limit)


@runs.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@with_client
async def delete(client: "AsyncClient", names: tuple[str, ...]) -> None:
    """Delete the runs NAME, `runs/3` or `3`, and their results, for good; what was ingested stays."""
    for name in names:
        await client.delete_run(resource("runs", name))
        click.echo(f"{resource('runs', name)} is deleted")


def show_run(run: "Run", as_json: bool) -> None:
    """Print a run, and what it changed."""
    if as_json:
        print_json(run)
        return
    click.echo(f"{run.name} {run.display_name} {_state(run.state)}: {run.rows_done:,} of {run.rows_total:,} rows")
    if run.open_uploads:
        click.echo(f"{run.open_uploads:,} uploads were not finalized: their rows stay as they are")
    if run.rejected_rows:
        number = run.name.removeprefix("runs/")
        click.echo(
            f"{run.rejected_rows:,} rows could not be calculated and keep their values: vcci runs errors {number}"
        )
    if run.HasField("total"):
        print_table(("category", *CHANGE), _change_rows(run), numbers=("category", *NUMBERS))


def _change_rows(run: "Run") -> Iterator[tuple[str, ...]]:
    for change in run.categories:
        yield (str(change.category), *_change_cells(change))
    yield ("all", *_change_cells(run.total))


def _change_cells(change: "RunChange") -> tuple[str, ...]:
    from vcci.v1.run_pb2 import RunCause

    causes = [
        f"{RunCause.Name(of.cause).removeprefix('RUN_CAUSE_').lower()} {_signed(of.difference_kg_co2e.value)}"
        f" ({of.rows:,} rows)"
        for of in change.causes
    ]
    return (
        f"{change.rows:,}",
        _tonnes(change.before_kg_co2e.value),
        _tonnes(change.after_kg_co2e.value),
        _signed(change.difference_kg_co2e.value),
        f"{100 * change.relative_difference:+,.2f}",
        "significant" if change.significant else "",
        ", ".join(causes),
    )


def _tonnes(kg: str) -> str:
    return tonnes(float(Decimal(kg)))


def _signed(kg: str) -> str:
    return f"{'+' if Decimal(kg) >= 0 else ''}{_tonnes(kg)}"


def _state(state: int) -> str:
    from vcci.v1.run_pb2 import Run

    return Run.State.Name(Run.State.ValueType(state)).removeprefix("STATE_").lower()


def _cells(run: "Run") -> tuple[str, ...]:
    return (
        run.name,
        run.display_name,
        _state(run.state),
        run.factor_set,
        run.gwp_set,
        f"{run.rows_total:,}",
        f"{run.rows_done:,}",
        f"{run.create_time.ToDatetime():%Y-%m-%d %H:%M:%S} UTC",
    )
