"""`vcci prices`: currency rates and price indices, and the sets that hold them."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vcci_client.cli.connect import resource, with_client
from vcci_client.cli.output import first, json_option, print_json, print_more, print_table

if TYPE_CHECKING:
    from vcci.v1.price_service_pb2 import Price, PriceFormat, PriceSet

    from vcci_client.client import AsyncClient

FORMATS = {"vcci": "VCCI_CSV", "ecb": "ECB_EUROFXREF"}


@click.group()
def prices() -> None:
    """Import, list and activate currency rates and price indices."""


@prices.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option("--starter", is_flag=True, help="Import the starter set that comes with the server.")
@click.option("--format", "layout", type=click.Choice(list(FORMATS)), help="Layout; else told by the header.")
@click.option("--name", default="", help="Name for people; else the file's.")
@click.option("--base", default="", help="A set whose other lines are taken over.")
@click.option("--activate", "active", is_flag=True, help="Activate the set, too.")
@json_option
@with_client
async def import_prices(
    client: "AsyncClient",
    file: Path | None,
    starter: bool,
    layout: str | None,
    name: str,
    base: str,
    active: bool,
    as_json: bool,
) -> None:
    """Make a price set of FILE: the project's own CSV, or the ECB's eurofxref-hist.csv as published."""
    from vcci.v1 import price_service_pb2 as pb

    if starter is bool(file):
        raise click.UsageError("Give a FILE, or --starter.")
    spec = pb.PriceSetSpec(
        display_name=name or (file.name if file else "Starter prices"),
        format=_format(file, layout),
        base_price_set=resource("priceSets", base) if base else "",
        activate=active,
    )
    _print_sets([await client.import_price_set(spec, file)], as_json)


@prices.command("list")
@click.option("--set", "price_set", default="", help="The set, `priceSets/3` or `3`; else the active one.")
@click.option("--currency", default="", help="Only this currency, for example USD.")
@click.option("--limit", type=click.IntRange(0), default=50, show_default=True, help="0: all.")
@json_option
@with_client
async def list_prices(client: "AsyncClient", price_set: str, currency: str, limit: int, as_json: bool) -> None:
    """List the rates and indices of a set."""
    name = resource("priceSets", price_set) if price_set else ""
    found = await first(client.list_prices(name, currency=currency), limit)
    shown = found[: limit or None]
    if as_json:
        for price in shown:
            print_json(price)
        return
    rows = ((item.currency, _what(item), _when(item), f"{item.value:g}", item.source_note) for item in shown)
    print_table(("currency", "what", "of", "value", "source"), rows, numbers=("value",))
    print_more(found, limit)


@prices.command()
@json_option
@with_client
async def sets(client: "AsyncClient", as_json: bool) -> None:
    """List the price sets, newest first."""
    _print_sets([item async for item in client.list_price_sets()], as_json)


@prices.command()
@click.argument("name")
@json_option
@with_client
async def activate(client: "AsyncClient", name: str, as_json: bool) -> None:
    """Convert and deflate with the set NAME, `priceSets/3` or `3`, from now on."""
    _print_sets([await client.activate_price_set(resource("priceSets", name))], as_json)


@prices.command()
@click.argument("name")
@json_option
@with_client
async def deactivate(client: "AsyncClient", name: str, as_json: bool) -> None:
    """Neither convert nor deflate from now on, if the set NAME is active."""
    _print_sets([await client.deactivate_price_set(resource("priceSets", name))], as_json)


@prices.command()
@click.option("--limit", type=click.IntRange(0), default=50, show_default=True, help="0: all.")
@json_option
@with_client
async def history(client: "AsyncClient", limit: int, as_json: bool) -> None:
    """List who activated or deactivated which set, newest first."""
    found = await first(client.list_price_set_activations(), limit)
    shown = found[: limit or None]
    if as_json:
        for item in shown:
            print_json(item)
        return
    rows = (
        (
            item.activate_time.ToDatetime().strftime("%Y-%m-%d %H:%M:%S"),
            item.price_set or "none",
            item.previous_price_set,
            item.subject or "the server",
            item.request_id,
        )
        for item in shown
    )
    print_table(("when, UTC", "activated", "instead of", "by", "request"), rows)
    print_more(found, limit)


def _what(price: "Price") -> str:
    return f"per {price.base_currency}" if price.base_currency else "price index"


def _when(price: "Price") -> str:
    return f"{price.year}-{price.month:02}" if price.month else str(price.year)


def _print_sets(found: "list[PriceSet]", as_json: bool) -> None:
    if as_json:
        for item in found:
            print_json(item)
        return
    rows = (
        (
            item.name,
            "active" if item.active else "",
            item.display_name,
            f"{item.rate_count:,}",
            f"{item.index_count:,}",
            item.content_hash[:12],
        )
        for item in found
    )
    columns = ("set", "active", "name", "rates", "indices", "contents")
    print_table(columns, rows, numbers=("rates", "indices"))


def _format(file: Path | None, layout: str | None) -> "PriceFormat.ValueType":
    from vcci.v1.price_service_pb2 import PriceFormat

    if file is None:
        return PriceFormat.PRICE_FORMAT_STARTER
    return PriceFormat.Value(f"PRICE_FORMAT_{FORMATS[layout or _told_by_header(file)]}")


def _told_by_header(file: Path) -> str:
    """Return which layout a file has: the ECB's begins with its days."""
    with file.open("rb") as contents:
        return "ecb" if contents.readline(4096).lstrip(b"\xef\xbb\xbf").startswith(b"Date,") else "vcci"
