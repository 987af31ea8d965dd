"""`vcci dashboard`: a tenant's state at a glance."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from vcci_client.cli.connect import resource, with_client
from vcci_client.cli.output import SUM, json_option, print_json, print_table, sum_cells, told_sum, tonnes

if TYPE_CHECKING:
    from vcci.v1 import emission_service_pb2 as pb

    from vcci_client.client import AsyncClient

BAR = 24  # characters of the longest bar
SCORES = {1: "1 best", 2: "2", 3: "3", 4: "4", 5: "5 worst or unknown"}


class Quarters(click.ParamType[tuple[date, date]]):
    """A year or a quarter."""

    name = "period"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[date, date]:
        """Return [first day, day after the last)."""
        year, _, quarter = str(value).partition("-Q")
        if not (year.isdigit() and len(year) == 4 and quarter in ("", "1", "2", "3", "4")):
            self.fail(f"{value!r} is not a year or quarter, like 2025 or 2025-Q1", param, ctx)
        first, months = (3 * int(quarter) - 2, 3) if quarter else (1, 12)
        end = int(year) * 12 + first - 1 + months
        return date(int(year), first, 1), date(end // 12, end % 12 + 1, 1)


@click.command()
@click.option("--period", type=Quarters(), help="2025 or 2025-Q1; else the last year that has emissions.")
@click.option("--top", type=click.IntRange(1, 100), default=10, show_default=True, help="Suppliers to name.")
@click.option("--as-of", default="", help="With the results of this run, `runs/3` or `3`.")
@json_option
@with_client
async def dashboard(
    client: "AsyncClient", period: tuple[date, date] | None, top: int, as_of: str, as_json: bool
) -> None:
    """Show emissions against the period before, what makes them, how good the data is, and open uploads."""
    found = await client.get_dashboard(period, top_suppliers=top, as_of=resource("runs", as_of) if as_of else "")
    if as_json:
        print_json(found)
        return
    _show_total(found)
    _show_groups("category", [(group.keys[0], group) for group in found.categories])
    _show_suppliers(found.top_suppliers, found.total.estimate.kg_co2e)
    _show_groups("method tier", [(group.keys[0].replace("_", " "), group) for group in found.method_tiers])
    _show_quality(found.data_quality, found.total.estimate.kg_co2e)
    _show_uploads(found)


def _show_total(found: "pb.Dashboard") -> None:
    covered = found.coverage
    start, end = found.period_start, found.period_end
    change = f", {found.change:+.1%} on the period before" if found.HasField("change") else ""
    of_run = f", as of {found.as_of}" if found.as_of else ""
    click.echo(
        f"{start.year}-{start.month:02} up to {end.year}-{end.month:02}{of_run}: "
        f"{told_sum(found.total.estimate)}{change}; {found.total.rows:,} lines.\n"
        f"{covered.suppliers:,} suppliers: {_share(covered.with_emissions, covered.suppliers)} have emissions, "
        f"{_share(covered.with_primary_data, covered.suppliers)} from their own data."
    )


def _show_groups(what: str, groups: "Sequence[tuple[str, pb.EmissionGroup]]") -> None:
    whole = sum(abs(group.estimate.kg_co2e) for _, group in groups)
    rows = (
        (
            name,
            *sum_cells(group.estimate),
            *_part(group.estimate.kg_co2e, whole),
        )
        for name, group in groups
    )
    _table((what, *SUM, "share", ""), rows)


def _show_suppliers(suppliers: "Sequence[pb.TopSupplier]", whole: float) -> None:
    rows = ((of.code, of.display_name, of.country, tonnes(of.kg_co2e), *_part(of.kg_co2e, whole)) for of in suppliers)
    _table(("supplier", "name", "country", "t CO2e", "share", ""), rows)


def _show_quality(shares: "Sequence[pb.DataQualityShare]", whole: float) -> None:
    rows = ((SCORES[of.score], f"{of.rows:,}", tonnes(of.kg_co2e), *_part(of.kg_co2e, whole)) for of in shares)
    _table(("data quality", "lines", "t CO2e", "share", ""), rows)


def _show_uploads(found: "pb.Dashboard") -> None:
    if not found.open_upload_count:
        return
    click.echo(f"\n{found.open_upload_count:,} uploads are open:")
    rows = (
        (of.name, of.display_name, f"{of.committed_through:,}", f"{of.rejected_rows:,}", tonnes(of.kg_co2e))
        for of in found.open_uploads
    )
    numbers = ("lines", "rejected", "t CO2e")
    print_table(("upload", "name", *numbers), rows, numbers=numbers)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    click.echo()
    print_table(columns, rows, numbers=(*SUM, "share", "lines"))


def _part(of: float, whole: float) -> tuple[str, str]:
    """Return a share of the whole, and a bar of it."""
    share = of / whole if whole else 0.0
    return f"{share:.1%}", "█" * round(BAR * min(max(share, 0.0), 1.0))


def _share(part: int, whole: int) -> str:
    return f"{part:,} ({part / whole if whole else 0:.0%})"
