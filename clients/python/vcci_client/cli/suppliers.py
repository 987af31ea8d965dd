"""`vcci suppliers`."""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import TYPE_CHECKING

import click

from vcci_client.cli.connect import resource, with_client
from vcci_client.cli.output import json_option, print_json, print_more, print_table, tonnes

if TYPE_CHECKING:
    from vcci.v1.supplier_service_pb2 import ListSuppliersResponse, Supplier

    from vcci_client.client import AsyncClient

MOST_PER_PAGE = 1_000
ORDERS = ("code", "name", "emissions", "intensity")
_FIELDS = {"name": "display_name", "emissions": "kg_co2e", "intensity": "carbon_intensity"}
FILTER_HELP = "After AIP-160: 'country = DE AND carbon_intensity > 0.4 AND NOT industry = 33*'."

filter_option = click.option("--filter", "chosen", default="", help=FILTER_HELP)
as_of_option = click.option("--as-of", default="", help="Figures with the results of this run, `runs/3` or `3`.")
limit_option = click.option("--limit", type=click.IntRange(0), default=50, show_default=True, help="0: all.")


@click.group()
def suppliers() -> None:
    """List, search, show and change suppliers."""


@suppliers.command("list")
@filter_option
@click.option("--by", type=click.Choice(ORDERS), default="code", show_default=True, help="What the order is of.")
@click.option("--desc", is_flag=True, help="The largest, or last, first.")
@as_of_option
@limit_option
@json_option
@with_client
async def list_suppliers(
    client: "AsyncClient", chosen: str, by: str, desc: bool, as_of: str, limit: int, as_json: bool
) -> None:
    """List suppliers."""
    order_by = _FIELDS.get(by, by) + (" desc" if desc else "")
    pages = client.list_supplier_pages(chosen, order_by=order_by, page_size=_page(limit), as_of=_run(as_of))
    await _print(pages, limit, as_json)


@suppliers.command()
@click.argument("name")
@filter_option
@as_of_option
@limit_option
@json_option
@with_client
async def search(client: "AsyncClient", name: str, chosen: str, as_of: str, limit: int, as_json: bool) -> None:
    """List suppliers with a name like NAME, typing errors forgiven, the most similar first."""
    pages = client.list_supplier_pages(chosen, search=name, page_size=_page(limit), as_of=_run(as_of))
    await _print(pages, limit, as_json)


@suppliers.command()
@click.argument("code")
@as_of_option
@json_option
@with_client
async def show(client: "AsyncClient", code: str, as_of: str, as_json: bool) -> None:
    """Show the supplier with this CODE."""
    supplier = await client.get_supplier(_name(code), as_of=_run(as_of))
    if as_json:
        print_json(supplier)
    else:
        _print_lines(supplier)


@suppliers.command()
@click.argument("code")
@click.option("--name", "display_name", help="Name for people.")
@click.option("--country", help="A code of ISO 3166-1.")
@click.option("--industry", help="A code of your classification.")
@click.option("--status", type=click.Choice(["active", "inactive"]))
@click.option("--etag", default="", help="Only if it still has this etag.")
@json_option
@with_client
async def update(
    client: "AsyncClient",
    code: str,
    display_name: str | None,
    country: str | None,
    industry: str | None,
    status: str | None,
    etag: str,
    as_json: bool,
) -> None:
    """Change the supplier with this CODE; an empty text removes what is there."""
    from vcci.v1.supplier_service_pb2 import Supplier

    given = {"display_name": display_name, "country": country, "industry": industry}
    changes = {name: value for name, value in given.items() if value is not None}
    supplier = Supplier(name=_name(code), etag=etag)
    for field, value in changes.items():
        setattr(supplier, field, value)
    if status is not None:
        supplier.status = Supplier.Status.Value(f"STATUS_{status.upper()}")
    fields = [*changes, *(["status"] if status is not None else [])]
    if not fields:
        raise click.UsageError("say what to change: --name, --country, --industry or --status")
    changed = await client.update_supplier(supplier, fields=fields)
    if as_json:
        print_json(changed)
    else:
        _print_lines(changed)


def _name(code: str) -> str:
    from urllib.parse import quote

    return code if code.startswith("suppliers/") else f"suppliers/{quote(code, safe='')}"


def _run(as_of: str) -> str:
    return resource("runs", as_of) if as_of else ""


def _page(limit: int) -> int:
    return min(limit + 1, MOST_PER_PAGE) if limit else MOST_PER_PAGE


async def _print(pages: "AsyncIterator[ListSuppliersResponse]", limit: int, as_json: bool) -> None:
    found: list[Supplier] = []
    not_counted = 0
    async for page in pages:
        found += page.suppliers
        not_counted = page.rows_not_counted
        if limit and len(found) > limit:
            break
    shown = found[: limit or None]
    if as_json:
        for supplier in shown:
            print_json(supplier)
        return
    numbers = ("t CO2e", "kg per money", "data quality", "own data")
    columns = ("code", "name", "country", "industry", *numbers)
    print_table(columns, map(_row, shown), numbers=numbers)
    print_more(found, limit)
    if not_counted:
        click.echo(f"{not_counted:,} committed rows are not counted in these figures yet", err=True)


def _row(supplier: "Supplier") -> Sequence[str]:
    inactive = " (inactive)" if supplier.status == supplier.STATUS_INACTIVE else ""
    texts = (supplier.code, supplier.display_name + inactive, supplier.country, supplier.industry)
    return (*texts, *_figures(supplier))


def _figures(supplier: "Supplier") -> tuple[str, str, str, str]:
    """Return emissions, intensity, quality and the share of own data, for people; empty where there is none."""
    return (
        tonnes(supplier.kg_co2e) if supplier.HasField("kg_co2e") else "",
        f"{supplier.carbon_intensity:,.3g} /{supplier.currency}" if supplier.HasField("carbon_intensity") else "",
        f"{supplier.data_quality:.1f}" if supplier.HasField("data_quality") else "",
        f"{supplier.primary_share:.0%}" if supplier.HasField("primary_share") else "",
    )


def _print_lines(supplier: "Supplier") -> None:
    for label, value in _lines(supplier):
        click.echo(f"{label:<29}{value}".rstrip())


def _lines(supplier: "Supplier") -> Iterable[tuple[str, str]]:
    emissions, intensity, quality, own = _figures(supplier)
    spend = f"{supplier.spend:,.0f} {supplier.currency}" if supplier.HasField("spend") else ""
    return (
        ("code", supplier.code),
        ("name", supplier.display_name),
        ("country", supplier.country),
        ("industry", supplier.industry),
        ("status", supplier.Status.Name(supplier.status).removeprefix("STATUS_").lower()),
        ("emissions", f"{supplier.emission_count:,}"),
        ("t CO2e", emissions),
        ("kg CO2e per unit of money", intensity),
        ("money that this is per", spend),
        ("data quality, 1 (best) to 5", quality),
        ("from its own data", own),
        ("changed", supplier.update_time.ToDatetime().isoformat(" ", "seconds")),
        ("etag", supplier.etag),
    )
