"""`vcci factors`: emission factors, and the sets that hold them."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vcci_client.cli.connect import resource, with_client
from vcci_client.cli.factor_changes import WORLD, diff, update
from vcci_client.cli.output import first, json_option, print_json, print_more, print_table

if TYPE_CHECKING:
    from vcci.v1.factor_service_pb2 import FactorFormat, FactorSet

    from vcci_client.client import AsyncClient

FORMATS = {"vcci": "VCCI_CSV", "epa": "EPA_V1_3", "desnz": "DESNZ_FLAT"}


@click.group()
def factors() -> None:
    """Search, import, change, compare and activate emission factors."""


factors.add_command(update)
factors.add_command(diff)


@factors.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option("--starter", is_flag=True, help="Import the starter set that comes with the server.")
@click.option("--format", "layout", type=click.Choice(list(FORMATS)), help="Layout; else told by the header.")
@click.option("--margins", type=click.Choice(["with", "without", "both"]), help="EPA only; else with.")
@click.option("--name", default="", help="Name for people; else the file's.")
@click.option("--base", default="", help="A set whose other factors are taken over.")
@click.option("--gwp-set", default="", help="Express all factors under this set, like AR6.")
@click.option("--keep-others", is_flag=True, help="Keep factors that cannot be expressed under --gwp-set as they are.")
@click.option("--activate", "active", is_flag=True, help="Activate the set, too.")
@json_option
@with_client
async def import_factors(
    client: "AsyncClient",
    file: Path | None,
    starter: bool,
    layout: str | None,
    margins: str | None,
    name: str,
    base: str,
    gwp_set: str,
    keep_others: bool,
    active: bool,
    as_json: bool,
) -> None:
    """Make a factor set of FILE: the project's own CSV, EPA v1.3 (CSV) or DESNZ flat file (XLSX), as published."""
    from vcci.v1 import factor_service_pb2 as pb

    derived = bool(base and gwp_set and not file and not starter)
    if not derived and starter is bool(file):
        raise click.UsageError("Give a FILE, or --starter, or --base with --gwp-set.")
    told = file.name if file else f"{resource('factorSets', base)} under {gwp_set}" if derived else "Starter set"
    spec = pb.FactorSetSpec(
        display_name=name or told,
        format=pb.FACTOR_FORMAT_UNSPECIFIED if derived else _format(file, layout),
        margins=pb.Margins.Value(f"MARGINS_{(margins or 'unspecified').upper()}"),
        base_factor_set=resource("factorSets", base) if base else "",
        activate=active,
        gwp_set=gwp_set,
        keep_other_gwp_sets=keep_others,
    )
    _print_sets([await client.import_factor_set(spec, file)], as_json)


@factors.command()
@click.argument("text", nargs=-1)
@click.option("--set", "factor_set", default="", help="The set, `factorSets/3` or `3`; else the active one.")
@click.option("--source", default="", help="Only this source, for example naics.")
@click.option("--region", help="Only for this country, for example DE; `world`: only for the whole world.")
@click.option("--year", type=int, default=0, help="Only those that describe this year.")
@click.option("--unit", default="", help="Only per this unit, or one that it converts into: kWh finds MWh, too.")
@click.option("--limit", type=click.IntRange(0), default=50, show_default=True, help="0: all.")
@json_option
@with_client
async def search(
    client: "AsyncClient",
    text: tuple[str, ...],
    factor_set: str,
    source: str,
    region: str | None,
    year: int,
    unit: str,
    limit: int,
    as_json: bool,
) -> None:
    """List the factors of a set, or those with every word of TEXT in key or name: `search steel mill --region US`."""
    name = resource("factorSets", factor_set) if factor_set else ""
    region = "" if region == WORLD else region
    wanted = client.list_factors(name, text=" ".join(text), source=source, region=region, year=year, unit=unit)
    found = await first(wanted, limit)
    shown = found[: limit or None]
    if as_json:
        for factor in shown:
            print_json(factor)
        return
    rows = (
        (f"{item.source}:{item.code}", item.display_name, item.region, str(item.year), f"{item.kg_co2e:g}", item.unit)
        for item in shown
    )
    print_table(("factor", "name", "region", "year", "kg CO2e", "per"), rows, numbers=("kg CO2e",))
    print_more(found, limit)


@factors.command()
@json_option
@with_client
async def sets(client: "AsyncClient", as_json: bool) -> None:
    """List the factor sets, newest first."""
    _print_sets([item async for item in client.list_factor_sets()], as_json)


@factors.command()
@click.argument("name")
@json_option
@with_client
async def activate(client: "AsyncClient", name: str, as_json: bool) -> None:
    """Calculate with the set NAME, `factorSets/3` or `3`, from now on."""
    _print_sets([await client.activate_factor_set(resource("factorSets", name))], as_json)


@factors.command()
@click.option("--limit", type=click.IntRange(0), default=50, show_default=True, help="0: all.")
@json_option
@with_client
async def history(client: "AsyncClient", limit: int, as_json: bool) -> None:
    """List who activated which set, newest first."""
    found = await first(client.list_factor_set_activations(), limit)
    shown = found[: limit or None]
    if as_json:
        for item in shown:
            print_json(item)
        return
    rows = (
        (
            item.activate_time.ToDatetime().strftime("%Y-%m-%d %H:%M:%S"),
            item.factor_set,
            item.previous_factor_set,
            item.subject or "the server",
            item.request_id,
        )
        for item in shown
    )
    print_table(("when, UTC", "activated", "instead of", "by", "request"), rows)
    print_more(found, limit)


def _print_sets(found: "list[FactorSet]", as_json: bool) -> None:
    if as_json:
        for item in found:
            print_json(item)
        return
    rows = (
        (
            item.name,
            "active" if item.active else "",
            item.display_name,
            f"{item.version} of {item.parent}" if item.parent else str(item.version),
            f"{item.factor_count:,}",
            item.content_hash[:12],
        )
        for item in found
    )
    print_table(("set", "active", "name", "version", "factors", "contents"), rows, numbers=("factors",))


def _format(file: Path | None, layout: str | None) -> "FactorFormat.ValueType":
    from vcci.v1.factor_service_pb2 import FactorFormat

    if file is None:
        return FactorFormat.FACTOR_FORMAT_STARTER
    return FactorFormat.Value(f"FACTOR_FORMAT_{FORMATS[layout or _told_by_header(file)]}")


def _told_by_header(file: Path) -> str:
    """Return which published layout a file has: a workbook is DESNZ's, an EPA file speaks of NAICS codes."""
    if file.suffix.lower() in (".xlsx", ".xlsm"):
        return "desnz"
    with file.open("rb") as contents:
        header = contents.readline(4096).decode("utf-8", errors="replace")
    return "epa" if "NAICS" in header and "GHG" in header else "vcci"
