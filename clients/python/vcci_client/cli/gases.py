"""Gases and GWP sets, as commands take and print them."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from vcci.v1.emission_pb2 import Composition

gwp_set_option = click.option(
    "--gwp-set", default="", help="Express emissions under this set of global warming potentials, like AR6."
)


def print_composition(composition: "Composition") -> None:
    """Print what emissions consist of, and whether GWP sets are mixed in it; nothing of what is not known."""
    gases = sorted(composition.gases, key=lambda gas: -gas.kg_co2e)
    if gases:
        click.echo(f"  gases          {', '.join(f'{gas.gas} {gas.kg:,.6g} kg' for gas in gases)}")
    if composition.kg_co2_biogenic:
        click.echo(f"  biogenic CO2   {composition.kg_co2_biogenic:,.6g} kg, outside of the total")
    if composition.mixed_gwp_sets:
        of_sets = ", ".join(f"{of.kg_co2e:,.6g} kg CO2e {_under(of.gwp_set)}" for of in composition.gwp_sets)
        click.echo(f"  GWP sets mixed {of_sets}")


def _under(gwp_set: str) -> str:
    return f"under {gwp_set}" if gwp_set else "of an unknown set"
