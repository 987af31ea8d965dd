"""`vcci suppliers`."""

from typing import TYPE_CHECKING

import click

from vcci_client.cli.connect import with_client
from vcci_client.cli.output import first, json_option, print_json, print_more, print_table

if TYPE_CHECKING:
    from vcci_client.client import AsyncClient


@click.group()
def suppliers() -> None:
    """List suppliers."""


@suppliers.command("list")
@click.option("--limit", type=click.IntRange(0), default=50, show_default=True, help="0: all.")
@json_option
@with_client
async def list_suppliers(client: "AsyncClient", limit: int, as_json: bool) -> None:
    """List suppliers by code."""
    found = await first(client.list_suppliers(), limit)
    shown = found[: limit or None]
    if as_json:
        for supplier in shown:
            print_json(supplier)
        return
    rows = ((supplier.code, supplier.display_name, supplier.country, supplier.industry) for supplier in shown)
    print_table(("code", "name", "country", "industry"), rows)
    print_more(found, limit)
