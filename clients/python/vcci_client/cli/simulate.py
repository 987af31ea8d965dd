"""`vcci simulate`: sums of stored emissions by Monte Carlo, beside the closed form."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from vcci_client.cli.connect import with_client
from vcci_client.cli.emissions import emission_filter, filter_options
from vcci_client.cli.output import json_option, print_json, print_table, tonnes

if TYPE_CHECKING:
    from vcci.v1.emission_pb2 import Estimate, Simulation
    from vcci.v1.emission_service_pb2 import EmissionGroup, SimulationProgress

    from vcci_client.client import AsyncClient

BY = (
    "supplier",
    "category",
    "month",
    "quarter",
    "year",
    "country",
    "method",
    "method_tier",
    "factor",
    "source",
    "group",
)
LEGEND = """\
sum     calculated values added up: what an inventory reports; of many lines the lowest of the three
median  as likely too low as too high         mean  the expected amount
95 %    closed form: two standard deviations each way, skewed as the sum is; Monte Carlo: percentiles 2.5 to 97.5"""


@click.command()
@click.option("--by", multiple=True, type=click.Choice(BY), help="Sum by this; may be repeated.")
@click.option("--draws", default=10_000, show_default=True, help="1,000 to 1,000,000.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Another gives other draws.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="The largest groups.")
@filter_options
@json_option
@with_client
async def simulate(
    client: "AsyncClient", /, by: Sequence[str], draws: int, seed: int, limit: int, as_json: bool, **wanted: Any
) -> None:
    """How sure the sum of stored emissions is, by Monte Carlo and by the closed form (docs/uncertainty.md)."""
    from vcci.v1.emission_service_pb2 import Dimension

    with _showing_progress(quiet=as_json) as on_progress:
        result = await client.simulate_emissions(
            [Dimension.Value(f"DIMENSION_{name.upper()}") for name in by],
            emission_filter=emission_filter(**wanted),
            limit=limit,
            draws=draws,
            seed=seed,
            on_progress=on_progress,
        )
    if as_json:
        print_json(result)
        return
    groups = [*result.groups, result.total]
    columns = ("rows", "t CO2e", "sum", "median", "mean", "95 %")
    rows = [row for group in groups for row in _rows(len(by), group)]
    print_table((*by, *columns), rows, numbers=[name for name in columns if name != "t CO2e"])
    if result.group_count > len(result.groups):
        click.echo(f"{result.group_count - len(result.groups):,} smaller groups are in the last two lines only")
    click.echo(f"\n{LEGEND}")


def print_simulation(simulation: "Simulation") -> None:
    """Print the lines of one amount, in kg."""
    click.echo(f"  {simulation.draws:,} draws, kg CO2e")
    click.echo(f"    mean, sd       {simulation.kg_co2e_mean:,.3f}, {simulation.kg_co2e_sd:,.3f}")
    click.echo(f"    median         {simulation.kg_co2e_p50:,.3f}")
    click.echo(f"    2.5 to 97.5 %  {simulation.kg_co2e_p2_5:,.3f} to {simulation.kg_co2e_p97_5:,.3f}")
    click.echo(f"    5 to 95 %      {simulation.kg_co2e_p5:,.3f} to {simulation.kg_co2e_p95:,.3f}")


def _rows(keys: int, group: "EmissionGroup") -> Iterator[Sequence[str]]:
    """Two lines: the closed form, and what the draws say."""
    names = [*group.keys] or ["all"] * min(keys, 1) + [""] * (keys - 1)
    yield (*names, f"{group.rows:,}", "closed form", *_closed(group.estimate))
    yield (*[""] * keys, "", "Monte Carlo", "", *_drawn(group.estimate.simulation))


def _closed(of: "Estimate") -> Sequence[str]:
    interval = f"{tonnes(of.kg_co2e_low)} to {tonnes(of.kg_co2e_high)}"
    return tonnes(of.kg_co2e), tonnes(of.kg_co2e_median), tonnes(of.kg_co2e_mean), interval


def _drawn(of: "Simulation") -> Sequence[str]:
    interval = f"{tonnes(of.kg_co2e_p2_5)} to {tonnes(of.kg_co2e_p97_5)}"
    return tonnes(of.kg_co2e_p50), tonnes(of.kg_co2e_mean), interval


@contextmanager
def _showing_progress(*, quiet: bool) -> Iterator[Callable[["SimulationProgress"], None]]:
    """Show how far the draws are, on standard error where that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("drawing", total=None)
        yield lambda step: bar.update(task, completed=step.row_draws, total=step.total_row_draws)
