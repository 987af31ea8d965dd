"""An iterator's items, made in a thread some ahead of who takes them."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class ReadAhead(Generic[T]):
    """Makes at most `ahead` items before they are asked for; an error of theirs is raised in its place."""

    def __init__(self, items: Iterator[T], ahead: int) -> None:
        self._items = items
        self._pool = ThreadPoolExecutor(1, "read-ahead")
        self._coming: deque[Future[T | None]] = deque(self._submit() for _ in range(ahead))

    def __iter__(self) -> Iterator[T]:
        while True:
            item = self._coming.popleft().result()
            if item is None:
                return
            self._coming.append(self._submit())
            yield item

    def close(self) -> None:
        """Make no further items; returns when the one under way is made."""
        self._pool.shutdown(cancel_futures=True)

    def _submit(self) -> "Future[T | None]":
        return self._pool.submit(next, self._items, None)
