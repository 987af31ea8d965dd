"""`vcci explain`: how a stored emission was calculated."""

from typing import TYPE_CHECKING

import click

from vcci_client.cli.connect import resource, with_client
from vcci_client.cli.output import json_option, print_json

if TYPE_CHECKING:
    from vcci_client.client import AsyncClient


@click.command()
@click.argument("name", metavar="EMISSION")
@click.option("--as-of", default="", help="As of this recalculation, `runs/3` or `3`; else as ingested.")
@json_option
@with_client
async def explain(client: "AsyncClient", name: str, as_of: str, as_json: bool) -> None:
    """Explain a stored emission, by upload and row: vcci explain uploads/7/emissions/123

    Prints the formula with its numbers, every input, the factor and its source, and calculates it again. The exit
    status is 1 when the result is another one, or the stored inputs were altered.
    """
    from vcci_client.explanation import on_paper

    run = resource("runs", as_of) if as_of else ""
    explanation = await client.explain(resource("uploads", name), as_of=run)
    print_json(explanation) if as_json else click.echo(on_paper(explanation))
    if not (explanation.replay.identical and explanation.replay.inputs_unaltered):
        raise click.exceptions.Exit(1)
