"""What can be uploaded, as a stream of batches: a file, rows, or whole batches of columns."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from itertools import chain
from typing import TypeVar

from vcci_client.activities import Activities
from vcci_client.activity_file import ActivityFile
from vcci_client.encode import EncodedBatch, Form, encode
from vcci_client.errors import OutOfStep
from vcci_client.files.rows import activities_of
from vcci_client.supplier_book import Bookkeeper

T = TypeVar("T")
Row = Mapping[str, object]
Rows = Iterable[Row] | AsyncIterable[Row] | Iterable[Activities] | Activities
Source = ActivityFile | Rows


def batches_of(source: Source, rows: int) -> AsyncIterator[Activities]:
    """Yield a source's activities, at most `rows` a batch; reading and converting happen in a thread."""
    if isinstance(source, ActivityFile):
        return _threaded(source.batches(rows))
    if isinstance(source, Activities):
        return _threaded(_split([source], rows))
    if isinstance(source, AsyncIterable):
        return _gathered(source, rows)
    return _threaded(_of_iterable(source, rows))


async def encoded(
    batches: AsyncIterator[Activities],
    first_row: int,
    *,
    form: Form,
    all_or_nothing: bool,
    max_bytes: int,
    stream_suppliers: int,
) -> AsyncIterator[EncodedBatch]:
    """Yield the activities from row `first_row` on, ready to be sent; encoding happens in a thread."""
    offset = 0
    bookkeeper = Bookkeeper(stream_suppliers)
    async for activities in batches:
        start, offset = first_row - offset, offset + len(activities)
        if offset > first_row:
            part = activities.slice(start, len(activities))
            if len(part.supplier.entries) > stream_suppliers:
                part = part.with_used_suppliers()
            for batch in await asyncio.to_thread(
                encode,
                part,
                offset - len(part),
                form=form,
                all_or_nothing=all_or_nothing,
                max_bytes=max_bytes,
                book=bookkeeper.book_for(part),
            ):
                yield batch
    if offset < first_row:
        raise OutOfStep(first_row, offset)


async def _threaded(items: Iterator[T]) -> AsyncIterator[T]:
    while (item := await asyncio.to_thread(next, items, None)) is not None:
        yield item


async def _gathered(source: AsyncIterable[Row], size: int) -> AsyncIterator[Activities]:
    rows: list[Row] = []
    async for row in source:
        rows.append(row)
        if len(rows) == size:
            yield await asyncio.to_thread(_activities, rows)
            rows = []
    if rows:
        yield await asyncio.to_thread(_activities, rows)


def _activities(rows: list[Row]) -> Activities:
    return next(activities_of(rows, len(rows)))


def _of_iterable(source: Iterable[Row] | Iterable[Activities], size: int) -> Iterator[Activities]:
    items = iter(source)
    first = next(items, None)
    if first is None:
        return iter(())
    everything = chain([first], items)
    return _split(everything, size) if isinstance(first, Activities) else activities_of(everything, size)  # type: ignore[arg-type]


def _split(batches: Iterable[Activities], size: int) -> Iterator[Activities]:
    for batch in batches:
        for start in range(0, len(batch), size):
            yield batch.slice(start, min(start + size, len(batch)))
