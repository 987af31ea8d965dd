"""A progress bar on standard error, where that is a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from vcci_client.appender import Progress

Fraction = Callable[[Progress], float]


@contextmanager
def showing_rows(name: str, *, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Show how many of how many rows are done; yields what is to be told of it."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.completed:,} of {task.total:,} rows"),
        TimeRemainingColumn(compact=True),
    )
    console = Console(stderr=True)
    with Bar(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task(name, total=0)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def showing_progress(name: str, fraction: Fraction, *, quiet: bool = False) -> Iterator[Callable[[Progress], None]]:
    """Show how far an upload is, `fraction` of it; yields what is to be told of it."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows, {task.fields[rejected]:,} rejected"),
        TimeRemainingColumn(compact=True),
    )
    console = Console(stderr=True)
    with Bar(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task(name, total=1.0, rows=0, rejected=0)

        def on_progress(progress: Progress) -> None:
            if progress.problem:
                console.print(f"{name}: waiting, since {progress.problem}", markup=False, highlight=False)
            bar.update(
                task,
                completed=fraction(progress),
                rows=progress.rows_committed,
                rejected=progress.rows_rejected,
            )

        yield on_progress
