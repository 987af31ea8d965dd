"""`vcci scenario`: what acting would do."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vcci_client.cli.connect import with_client
from vcci_client.cli.operations import print_operations
from vcci_client.cli.output import SUM, json_option, print_json, print_table, sum_cells, told_sum

if TYPE_CHECKING:
    from vcci.v1 import hotspot_service_pb2 as pb

    from vcci_client.client import AsyncClient

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def scenario() -> None:
    """Compute what emissions would be if things were done otherwise."""


@scenario.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=FILE)
@json_option
@with_client
async def start(client: "AsyncClient", files: tuple[Path, ...], as_json: bool) -> None:
    """Begin the scenario of each FILE at the server, and come back for it with `vcci operations`."""
    from vcci_client.scenario_file import load_scenario

    begun = [await client.start_operation(work) for work in map(load_scenario, files)]
    print_operations(begun, as_json)


@scenario.command("run")
@click.argument("file", type=FILE)
@json_option
@with_client
async def run_scenario(client: "AsyncClient", file: Path, as_json: bool) -> None:
    """Run the scenario of FILE, a TOML file of levers; docs/scenarios.md has an example. Nothing is stored."""
    from rich.console import Console

    from vcci_client.scenario_file import load_scenario

    request = load_scenario(file)
    console = Console(stderr=True)
    with console.status("reading emissions") as status:

        def on_progress(progress: "pb.ScenarioProgress") -> None:
            status.update(f"{progress.rows_read:,} rows read" + (", computing" if progress.cells else ""))

        found = await client.run_scenario(request, on_progress=on_progress)
    if as_json:
        print_json(found)
        return
    show_scenario(found)


def show_scenario(found: "pb.Scenario") -> None:
    """Print what a scenario comes to."""
    for name, of in (
        ("Baseline", found.baseline.estimate),
        ("Scenario", found.scenario),
        ("Reduction", found.reduction),
    ):
        click.echo(f"{name:<10} {told_sum(of)}")
    if found.levers:
        click.echo("\nLevers, each on top of those before it:")
        _show_levers(found)
    if found.years:
        click.echo("\nYear by year:")
        rows = ((str(of.year), *sum_cells(of.estimate)) for of in found.years)
        print_table(("year", *SUM), rows, numbers=SUM)
    if found.curve:
        click.echo("\nMarginal abatement cost curve, the cheapest tonne first:")
        steps = (
            (f"{of.cost_per_tonne:,.2f}", f"{of.from_tonnes:,.1f}", f"{of.to_tonnes:,.1f}", of.display_name)
            for of in found.curve
        )
        columns = ("cost per t", "from t a year", "to t a year", "lever")
        print_table(columns, steps, numbers=columns[:3])


def _show_levers(found: "pb.Scenario") -> None:
    columns = ("lever", "less t CO2e", *SUM[1:], "rows", "unchanged", "cost per t", "NPV", "payback, years")
    rows = (
        (
            lever.display_name or f"lever {number}",
            *sum_cells(lever.reduction),
            f"{lever.rows:,}",
            f"{lever.unchanged_rows:,}",
            *_costs(lever),
        )
        for number, lever in enumerate(found.levers, start=1)
    )
    print_table(columns, rows, numbers=columns[1:])


def _costs(lever: "pb.LeverResult") -> tuple[str, str, str]:
    if not lever.HasField("abatement"):
        return "", "", ""
    of = lever.abatement
    return (
        f"{of.cost_per_tonne:,.2f}" if of.HasField("cost_per_tonne") else "none abated",
        f"{of.npv:,.0f}",
        f"{of.payback_years:,.1f}" if of.HasField("payback_years") else "never",
    )
