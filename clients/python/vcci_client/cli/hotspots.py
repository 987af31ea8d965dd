"""`vcci hotspots`: where to act."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from vcci_client.cli.connect import with_client
from vcci_client.cli.emissions import emission_filter, filter_options
from vcci_client.cli.gases import print_composition
from vcci_client.cli.output import SUM, json_option, print_json, print_table, sum_cells, told_sum, tonnes

if TYPE_CHECKING:
    from vcci.v1 import hotspot_service_pb2 as pb

    from vcci_client.client import AsyncClient


class Scores(click.ParamType[int]):
    """Five pedigree scores, 1 to 5, as five digits."""

    name = "scores"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return them as the contract has them."""
        if len(str(value)) != 5 or set(str(value)) - set("12345"):
            self.fail(f"{value!r} is not five digits of 1 to 5", param, ctx)
        return int(str(value), 16)


@click.command()
@click.option("--by", type=click.Choice(["supplier", "category"]), default="supplier", show_default=True)
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.8,
    show_default=True,
    help="Of the emissions, that the Pareto set makes.",
)
@click.option(
    "--target",
    type=Scores(),
    default="22222",
    show_default=True,
    help="Scores of better data: reliability, completeness, temporal, geographical, technological.",
)
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True)
@filter_options
@json_option
@with_client
async def hotspots(
    client: "AsyncClient", /, by: str, share: float, target: int, limit: int, as_json: bool, **wanted: Any
) -> None:
    """Show what makes most of the emissions, about what better data would tell most, why years differ, and outliers."""
    from vcci.v1.emission_service_pb2 import DIMENSION_CATEGORY, DIMENSION_SUPPLIER

    found = await client.analyze_hotspots(
        DIMENSION_SUPPLIER if by == "supplier" else DIMENSION_CATEGORY,
        emission_filter=emission_filter(**wanted),
        pareto_share=share,
        target_quality=target,
        limit=limit,
    )
    if as_json:
        print_json(found)
        return
    show_hotspots(found, by, share)


def show_hotspots(found: "pb.AnalyzeHotspotsResponse", by: str, share: float) -> None:
    """Print hotspots of suppliers or categories, and the share that the Pareto set makes."""
    _show_pareto(found, by, share)
    _show_quality(found.data_quality, by)
    _show_trends(found.trends)
    _show_outliers(found.outliers)


def _show_pareto(found: "pb.AnalyzeHotspotsResponse", by: str, share: float) -> None:
    of, unequal = found.pareto, found.concentration
    click.echo(
        f"{told_sum(found.total.estimate)} in {found.total.rows:,} lines. By {by}, {of.set_group_count:,} of "
        f"{of.group_count:,} make {share:.0%} of it; Gini {unequal.gini:.2f}, HHI {unequal.herfindahl:.3f}."
    )
    print_composition(found.total.composition)
    rows = (
        (
            group.group.keys[0],
            *sum_cells(group.group.estimate),
            f"{group.share:.1%}",
            f"{group.cumulative_share:.1%}",
        )
        for group in of.groups
    )
    _table((by, *SUM, "share", "up to here"), rows)


def _show_quality(of: "pb.DataQualityAnalysis", by: str) -> None:
    from vcci.v1.hotspot_service_pb2 import Quadrant

    click.echo(f"\nWhere better data would narrow the interval of {tonnes(of.interval_kg_co2e)} t most:")
    rows = (
        (
            group.group.keys[0],
            tonnes(group.group.estimate.kg_co2e),
            Quadrant.Name(group.quadrant).removeprefix("QUADRANT_").replace("_", " ").lower(),
            f"{group.data_quality_gsd2:.2f}",
            tonnes(group.narrowing_kg_co2e),
            f"{group.narrowing_share:.1%}",
        )
        for group in of.groups
    )
    _table((by, "t CO2e", "quadrant", "GSD2 of data", "narrower by t", "of it"), rows)


def _show_trends(changes: "Iterable[pb.YearChange]") -> None:
    rows = [
        (
            f"{change.previous_year} to {change.year}",
            tonnes(change.previous_kg_co2e),
            tonnes(change.kg_co2e),
            tonnes(change.activity_kg_co2e),
            tonnes(change.mix_kg_co2e),
            tonnes(change.factor_kg_co2e),
            tonnes(change.unknown_kg_co2e),
        )
        for change in changes
    ]
    if rows:
        click.echo("\nChanges from year to year, t CO2e:")
        _table(("years", "before", "after", "activity", "mix", "factor", "unknown"), rows)


def _show_outliers(of: "pb.OutlierAnalysis") -> None:
    click.echo(
        f"\n{of.outlier_count:,} of {of.compared_count:,} suppliers by category are unlike their industry; "
        f"{of.not_compared_count:,} could not be compared."
    )
    rows = (
        (
            outlier.supplier_code,
            outlier.industry,
            str(outlier.category),
            f"{outlier.kg_co2e_per_unit:.4g}",
            f"{outlier.peer_median_kg_co2e_per_unit:.4g}",
            outlier.unit,
            f"{outlier.score:+.1f}",
        )
        for outlier in of.outliers
    )
    if of.outliers:
        _table(("supplier", "industry", "category", "kg CO2e", "median", "per", "score"), rows)


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    texts = ("supplier", "category", "quadrant", "years", "industry", "per")
    print_table(columns, rows, numbers=[name for name in columns if name not in texts])
