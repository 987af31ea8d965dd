"""`vcci factors update` and `diff`: new versions of factor sets, and what is different in them."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from vcci_client.cli.connect import resource, with_client
from vcci_client.cli.output import first, json_option, print_json, print_more, print_table

if TYPE_CHECKING:
    from vcci.v1.factor_service_pb2 import Factor, FactorDifference

    from vcci_client.client import AsyncClient

WORLD = "world"
MOST_NAMED = 10  # of several factors with one key

# What of a factor can be changed: the option, the field of the contract, its type, and help.
CHANGES: Sequence[tuple[str, str, type, str]] = (
    ("--kg-co2e", "kg_co2e", float, "kg CO2e per unit."),
    ("--unit", "unit", str, "One unit of the activity."),
    ("--name", "display_name", str, "Name for people."),
    ("--gwp-set", "gwp_set", str, "AR4, AR5 or AR6; empty: unknown."),
    ("--gsd2", "gsd2", float, "Squared geometric standard deviation of the factor itself."),
    ("--price-year", "price_year", int, "The year of its prices."),
    ("--price-basis", "price_basis", str, "purchaser or producer."),
    ("--margins", "margins", str, "with or without."),
    ("--source-note", "source_note", str, "Where the new figure was published."),
)


def _change_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for flag, field, kind, text in reversed(CHANGES):
        command = click.option(flag, field, type=kind, default=None, help=text)(command)
    return command


@click.command()
@click.argument("factor")
@click.option("--region", help="Which of several: the one for this country, or `world`.")
@click.option("--year", type=int, default=0, help="Which of several: the one that describes this year.")
@click.option("--set", "factor_set", default="", help="The set to make a new one of; else the active one.")
@_change_options
@click.option("--gas", "gases", multiple=True, metavar="GAS=KG", help="kg of a gas per unit; all of them, once each.")
@click.option("--set-name", default="", help="Name of the new set for people.")
@click.option("--activate", "active", is_flag=True, help="Activate the new set, too.")
@json_option
@with_client
async def update(
    client: "AsyncClient",
    /,
    factor: str,
    region: str | None,
    year: int,
    factor_set: str,
    gases: tuple[str, ...],
    set_name: str,
    active: bool,
    as_json: bool,
    **changes: Any,
) -> None:
    """Make a set in which FACTOR (`fuel:diesel`, or a factor's name) has other values; the old set stays."""
    from vcci.v1.factor_service_pb2 import Factor

    given = {field: value for field, value in changes.items() if value is not None}
    if gases:
        given["gases"] = dict(map(_gas, gases))
    if not given:
        raise click.UsageError("Say what changes: --kg-co2e, --unit, --source-note …")
    name = resource("factorSets", factor_set) if factor_set else ""
    old = await _the_one(client, factor, name, region, year)
    new = await client.update_factor(Factor(name=old.name, **given), given, activate=active, set_display_name=set_name)
    if as_json:
        print_json(new)
        return
    before, after = _set_of(old), _set_of(new)
    print_differences([item async for item in client.diff_factor_sets(before, after)])
    made = await client.get_factor_set(after)
    state = "active" if made.active else f"not active: `vcci factors activate {after}`"
    click.echo(f"{after} is version {made.version}, {state}.")


@click.command()
@click.argument("old")
@click.argument("new")
@click.option("--limit", type=click.IntRange(0), default=50, show_default=True, help="0: all.")
@json_option
@with_client
async def diff(client: "AsyncClient", old: str, new: str, limit: int, as_json: bool) -> None:
    """List what is different in the set NEW (`factorSets/4` or `4`), compared with the set OLD."""
    found = await first(client.diff_factor_sets(*(resource("factorSets", each) for each in (old, new))), limit)
    shown = found[: limit or None]
    if as_json:
        for item in shown:
            print_json(item)
        return
    print_differences(shown)
    print_more(found, limit)


def print_differences(differences: "Sequence[FactorDifference]") -> None:
    """Print a line for each field that is different."""
    if not differences:
        click.echo("Nothing is different.")
        return
    rows = (line for difference in differences for line in _lines(difference))
    columns = ("factor", "region", "year", "field", "old", "new", "change")
    print_table(columns, rows, numbers=("change",))


def _lines(difference: "FactorDifference") -> Iterator[Sequence[str]]:
    old, new = difference.old_factor, difference.new_factor
    one = new if difference.HasField("new_factor") else old
    key = (f"{one.source}:{one.code}", one.region, str(one.year))
    if not difference.HasField("old_factor"):
        yield *key, "added", "", f"{new.kg_co2e:g} per {new.unit}", ""
    elif not difference.HasField("new_factor"):
        yield *key, "removed", f"{old.kg_co2e:g} per {old.unit}", "", ""
    for field in difference.changed_fields.paths:
        told = field == "kg_co2e" and difference.HasField("relative_change")
        change = f"{difference.relative_change:+.1%}" if told else ""
        yield *key, field, _value(old, field), _value(new, field), change


def _value(factor: "Factor", field: str) -> str:
    value = getattr(factor, field)
    if field == "gases":
        return " ".join(f"{gas}={kg:g}" for gas, kg in sorted(value.items()))
    return f"{value:g}" if isinstance(value, float) else str(value)


async def _the_one(client: "AsyncClient", key: str, factor_set: str, region: str | None, year: int) -> "Factor":
    """Return the one factor that is meant."""
    if key.startswith("factorSets/"):
        return await client.get_factor(key)
    region = "" if region == WORLD else region
    near = client.list_factors(factor_set, text=key, region=region, year=year)
    found = [item async for item in near if f"{item.source}:{item.code}" == key]
    if len(found) == 1:
        return found[0]
    if not found:
        raise click.ClickException(f"there is no such factor {key}: `vcci factors search` finds them")
    several = ", ".join(f"{item.region or WORLD} {item.year}" for item in found[:MOST_NAMED])
    several += " …" if len(found) > MOST_NAMED else ""
    raise click.ClickException(f"there are {len(found)} factors {key}: {several}; say which with --region and --year")


def _gas(text: str) -> tuple[str, float]:
    name, _, amount = text.partition("=")
    try:
        return name, float(amount)
    except ValueError:
        raise click.UsageError(f"--gas: found {text!r}, expected GAS=KG, like CO2=2.66") from None


def _set_of(factor: "Factor") -> str:
    return factor.name.rpartition("/factors/")[0]
