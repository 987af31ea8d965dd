"""`vcci calculate`: the emissions of one activity, without storing it."""

from datetime import datetime
from typing import TYPE_CHECKING

import click

from vcci_client.cli.connect import with_client
from vcci_client.cli.gases import gwp_set_option, print_composition
from vcci_client.cli.output import json_option, print_json
from vcci_client.cli.simulate import print_simulation

if TYPE_CHECKING:
    from vcci.v1.calculation_service_pb2 import CalculateResponse

    from vcci_client.client import AsyncClient


@click.command()
@click.option("--category", type=click.IntRange(1, 15), required=True, help="Scope 3 category.")
@click.option("--quantity", type=float, required=True)
@click.option("--unit", required=True, help="Unit, or a currency when it is spend.")
@click.option("--factor", default="", help="Key of the emission factor, source:code.")
@click.option("--method", default="", help="Name of a method; else the best that the data allows.")
@click.option("--group", default="", help="What the activity belongs to; some methods require it.")
@click.option("--period", type=click.DateTime(["%Y-%m-%d"]), help="A day of the reporting period; else today.")
@click.option("--country", default="", help="The supplier's country, ISO 3166-1.")
@click.option("--input", "inputs", multiple=True, metavar="NAME=NUMBER", help="Further input; may be repeated.")
@click.option("--draws", default=0, help="Monte Carlo beside the interval, 1,000 to 1,000,000 draws.")
@gwp_set_option
@json_option
@with_client
async def calculate(
    client: "AsyncClient",
    category: int,
    quantity: float,
    unit: str,
    factor: str,
    method: str,
    group: str,
    period: datetime | None,
    country: str,
    inputs: tuple[str, ...],
    draws: int,
    gwp_set: str,
    as_json: bool,
) -> None:
    """Calculate one activity: vcci calculate --category 1 --quantity 1000 --unit USD --factor naics:331110"""
    from google.type.date_pb2 import Date
    from vcci.v1.activity_pb2 import Activity, Category, Method

    from vcci_client import reading

    if (number := reading.method(method)) is None:
        raise click.BadParameter(f"{method!r} is not {reading.METHOD_EXPECTED}", param_hint="--method")
    day = period or datetime.now()
    activity = Activity(
        supplier_code="-",
        country=country,
        category=Category.ValueType(category),
        method=Method.ValueType(number),
        quantity=quantity,
        unit=unit,
        factor=factor,
        group=group,
        reporting_period=Date(year=day.year, month=day.month, day=day.day),
        inputs=dict(map(_input, inputs)),
    )
    response = await client.calculate([activity], gwp_set=gwp_set, include_composition=True, draws=draws)
    print_json(response.emissions[0]) if as_json else _print(response)


def _input(text: str) -> tuple[str, float]:
    name, _, number = text.partition("=")
    try:
        return name, float(number)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not NAME=NUMBER, like distance=420", param_hint="--input") from None


def _print(response: "CalculateResponse") -> None:
    from vcci.v1.activity_pb2 import Method

    from vcci_client.explanation import in_words

    emission = response.emissions[0]
    estimate = emission.estimate
    click.echo(f"{estimate.kg_co2e:,.3f} kg CO2e")
    click.echo(f"  median, mean   {estimate.kg_co2e_median:,.3f}, {estimate.kg_co2e_mean:,.3f}")
    click.echo(f"  95 % interval  {estimate.kg_co2e_low:,.3f} to {estimate.kg_co2e_high:,.3f}")
    click.echo(f"  method         {Method.Name(emission.method).removeprefix('METHOD_').lower()}")
    click.echo(f"  amount         {emission.amount:,.3f} {emission.factor_unit}")
    click.echo(f"  factor         {emission.factor_kg_co2e:g} kg CO2e per {emission.factor_unit}  {emission.factor}")
    click.echo(f"  GWP set        {emission.gwp_set or 'unknown'}")
    print_composition(emission.composition)
    if estimate.HasField("simulation"):
        print_simulation(estimate.simulation)
    for notice in emission.notice_details:
        click.echo(f"  notice         {in_words(notice)}")
