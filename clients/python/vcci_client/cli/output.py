"""How results are printed: tables for people, JSON for programs."""

import dataclasses
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from vcci.v1.emission_pb2 import Estimate

T = TypeVar("T")
WIDTH_ELSE = 140  # columns, where the output is not a terminal

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object per line, for programs.")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[str] = ()) -> None:
    """Print a table; the columns in `numbers` are set to the right."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = WIDTH_ELSE
    console.print(table)


def print_json(item: "Message | dict[str, Any]") -> None:
    """Print one object on one line."""
    if not isinstance(item, dict):
        from google.protobuf.json_format import MessageToDict

        item = MessageToDict(item, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    click.echo(json.dumps(item))


async def first(items: AsyncIterator[T], limit: int) -> list[T]:
    """Return the first items, and one more when there are more; 0 is all."""
    found = []
    async for item in items:
        found.append(item)
        if limit and len(found) > limit:
            break
    return found


def print_more(found: Sequence[object], limit: int) -> None:
    """Say so when a list was cut."""
    if limit and len(found) > limit:
        click.echo(f"… and more; --limit 0 prints all, --limit {limit} is what you see", err=True)


def tonnes(kg: float) -> str:
    """Return kg as tonnes, with as many decimals as it takes to tell small amounts apart."""
    value = round(kg / 1000, 3) + 0.0  # no -0.000
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.1f}" if abs(value) >= 10 else f"{value:,.3f}"


SUM = ("t CO2e", "median", "from", "to")


def sum_cells(of: "Estimate") -> tuple[str, str, str, str]:
    """Return the cells of SUM: calculated values added up, the sum's median, and the 95 % interval about that."""
    return tonnes(of.kg_co2e), tonnes(of.kg_co2e_median), tonnes(of.kg_co2e_low), tonnes(of.kg_co2e_high)


def told_sum(of: "Estimate") -> str:
    """Return the same in words."""
    total, median, low, high = sum_cells(of)
    return f"{total} t CO2e (median {median}, 95 %: {low} to {high})"


def plain(item: Any) -> dict[str, Any]:
    """Return a dataclass as a dictionary."""
    return dataclasses.asdict(item)


def counted(reasons: Counter[tuple[str, str]]) -> str:
    """Return `391 NEGATIVE (quantity), 3 UNKNOWN_FACTOR (factor)`, the most frequent first."""
    return ", ".join(f"{number:,} {reason} ({field})" for (reason, field), number in reasons.most_common())
