"""What the demo prints and writes."""

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import click
from vcci.v1.activity_pb2 import Category
from vcci.v1.emission_service_pb2 import EmissionGroup

from vcci_client.cli.output import plain, print_table, tonnes
from vcci_client.demo.run import Outcome

SUMS = ("rows", "kg_co2e", "kg_co2e_median", "kg_co2e_low", "kg_co2e_high")


def write(outcome: Outcome, out: Path) -> None:
    """Write the sums as CSV, and all that is one number as JSON."""
    _write_groups(out / "by_category.csv", "category", outcome.by_category.groups)
    _write_groups(out / "suppliers.csv", "supplier_code", outcome.by_supplier.groups)
    found = plain(outcome.summary) | {
        "factor_set": outcome.factor_set.content_hash,
        "reasons": {f"{reason} {field}".strip(): number for (reason, field), number in outcome.reasons.items()},
        "batches": {f"{form} {where}": number for (form, where), number in outcome.batches.items()},
    }
    (out / "summary.json").write_text(json.dumps(found, indent=2) + "\n", "utf-8")


def _write_groups(path: Path, key: str, groups: Iterable[EmissionGroup]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow((key, *SUMS))
        for group in groups:
            numbers = (getattr(group.estimate, name) for name in SUMS[1:])
            writer.writerow((group.keys[0], group.rows, *numbers))


def show(outcome: Outcome, out: Path) -> None:
    """Print what a newcomer wants to see."""
    summary = outcome.summary
    click.echo(f"\n{summary.committed:,} rows are stored, {summary.rejected:,} are rejected:")
    for (reason, field), number in outcome.reasons.most_common():
        click.echo(f"  {number:>5,}  {reason} {field}".rstrip())
    click.echo(f"{out / 'rejected.csv'} lists each of them.\n")
    groups = sorted(outcome.by_category.groups, key=lambda group: int(group.keys[0]))
    rows = [_cells(_category(group.keys[0]), group) for group in groups]
    _print("category", [*rows, _cells("all", outcome.by_category.total)])
    click.echo("t CO2e adds up the rows' medians; the interval is around the median of their sum, which is higher.\n")
    _print("largest suppliers", [_cells(outcome.names[group.keys[0]], group) for group in outcome.largest])
    click.echo(f"\n{summary.rows:,} rows in {summary.seconds:.1f} s: {summary.rows_per_second:,.0f} rows/s, durable.")
    batches = [f"{number} of {form} {_PLACES[where]}" for (form, where), number in sorted(outcome.batches.items())]
    click.echo(f"Batches: {', '.join(batches)}.")
    click.echo(f"Results are in {out}: {', '.join(sorted(path.name for path in out.iterdir()))}.")


_PLACES = {"in_process": "in the server's process", "ray": "on Ray"}
_NUMBERS = ("rows", "t CO2e", "median", "95 % interval")


def _print(title: str, rows: Iterable[Sequence[str]]) -> None:
    print_table((title, *_NUMBERS), rows, numbers=_NUMBERS)


def _cells(name: str, group: EmissionGroup) -> Sequence[str]:
    sums = group.estimate
    interval = f"{tonnes(sums.kg_co2e_low)} to {tonnes(sums.kg_co2e_high)}"
    return (name, f"{group.rows:,}", tonnes(sums.kg_co2e), tonnes(sums.kg_co2e_median), interval)


def _category(number: str) -> str:
    name = Category.Name(Category.ValueType(int(number))).removeprefix("CATEGORY_").replace("_", " ").lower()
    return f"{number:>2} {name}"
