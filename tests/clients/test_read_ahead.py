"""What is made ahead: the order, how far, errors, and an early end."""

from collections.abc import Iterator

import pytest
from vcci_client.read_ahead import ReadAhead

from tests.waiting import wait_until

AHEAD = 3


def numbers(made: list[int], until: int) -> Iterator[int]:
    for number in range(until):
        made.append(number)
        yield number
    raise ValueError("the end")


def test_items_come_in_their_order_and_an_error_in_its_place() -> None:
    items = iter(ReadAhead(numbers([], 20), AHEAD))
    assert [next(items) for _ in range(20)] == list(range(20))
    with pytest.raises(ValueError, match="the end"):
        next(items)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 9])
def test_all_items_come_however_many_there_are(count: int) -> None:
    assert list(ReadAhead(iter(range(count)), AHEAD)) == list(range(count))


def test_no_more_is_made_than_was_taken_and_a_few_ahead() -> None:
    made: list[int] = []
    ahead = ReadAhead(numbers(made, 20), AHEAD)
    wait_until(lambda: len(made) == AHEAD)
    items = iter(ahead)
    assert next(items) == 0
    wait_until(lambda: len(made) == AHEAD + 1)
    ahead.close()
    assert made == [0, 1, 2, 3]
