"""A progress bar on standard error, where that is a terminal; only there is rich imported, which takes 0.1 s."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from vcci_client.appender import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import ProgressColumn

Fraction = Callable[[Progress], float]


@contextmanager
def showing_rows(name: str, *, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Show how many of how many rows are done; yields what is to be told of it."""
    if quiet or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.progress import TextColumn

    with _bar(TextColumn("{task.completed:,} of {task.total:,} rows")) as bar:
        task = bar.add_task(name, total=0)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def showing_progress(name: str, fraction: Fraction, *, quiet: bool = False) -> Iterator[Callable[[Progress], None]]:
    """Show how far an upload is, `fraction` of it; yields what is to be told of it."""

    def on_problem(progress: Progress) -> None:
        if progress.problem:
            click.echo(f"{name}: waiting, since {progress.problem}", err=True)

    if quiet or not sys.stderr.isatty():
        yield on_problem
        return
    from rich.progress import TextColumn

    with _bar(TextColumn("{task.fields[rows]:,} rows, {task.fields[rejected]:,} rejected")) as bar:
        task = bar.add_task(name, total=1.0, rows=0, rejected=0)

        def on_progress(progress: Progress) -> None:
            on_problem(progress)
            rows, rejected = progress.rows_committed, progress.rows_rejected
            bar.update(task, completed=fraction(progress), rows=rows, rejected=rejected)

        yield on_progress


def _bar(told: "ProgressColumn") -> "Bar":
    """Return a bar with `told` behind it."""
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), told)
    return Bar(*columns, TimeRemainingColumn(compact=True), console=Console(stderr=True), transient=True)
