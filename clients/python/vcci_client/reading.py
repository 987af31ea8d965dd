"""What the text of a cell means, field by field; None: it cannot be read. Each text of a batch is read once."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import lru_cache

from vcci.v1.activity_pb2 import Category, Method

EPOCH = date(1970, 1, 1).toordinal()
UINT32 = 1 << 32
CACHED_DATES = 65_536


def _slug(name: str) -> str:
    return "_".join(name.casefold().replace("-", " ").replace("_", " ").replace(",", " ").split())


_CATEGORIES = {_slug(name.removeprefix("CATEGORY_")): number for name, number in Category.items() if number}
_METHODS = {_slug(name.removeprefix("METHOD_")): number for name, number in Method.items() if number}

CATEGORY_EXPECTED = "a category, 1 to 15"
METHOD_EXPECTED = "a method, like spend_based or distance_based (docs/methods.md), or nothing"
SCORE_EXPECTED = "a score, 1 (best) to 5, or nothing"


def category(text: str) -> int | None:
    """Read `6` or `business travel`; an empty cell is 0, which the server refuses."""
    return _number(text) if text[:1].isdigit() or not text else _CATEGORIES.get(_slug(text))


def method(text: str) -> int | None:
    """Read `spend_based`; an empty cell is 0, the best method that the data allows."""
    return _METHODS.get(_slug(text)) if text else 0


def score(text: str) -> int | None:
    """Read a pedigree score; an empty cell is 0, unknown."""
    number = _number(text)
    return number if number is not None and number <= 15 else None  # it travels as one hexadecimal digit


def _number(text: str) -> int | None:
    text = text.removesuffix(".0") or "0"
    return int(text) if text.isascii() and text.isdigit() and int(text) < UINT32 else None


def dates(formats: Sequence[str]) -> Callable[[str], int | None]:
    """Return a function that reads dates of these formats, in their order, as days since 1970-01-01."""

    @lru_cache(maxsize=CACHED_DATES)
    def read(text: str) -> int | None:
        for form in formats:
            try:
                return _date(text, form).toordinal() - EPOCH
            except ValueError:
                continue
        return None

    return read


def _date(text: str, form: str) -> date:
    if "%q" not in form:
        return datetime.strptime(text, form).date()
    quarter = datetime.strptime(text, form.replace("%q", "%m"))
    return quarter.date().replace(month={1: 1, 2: 4, 3: 7, 4: 10}.get(quarter.month, 13))


def dates_expected(formats: Sequence[str]) -> str:
    """Return how dates of these formats are written, for people."""
    return "a date as " + " or ".join(_readable(form) for form in formats)


_DIRECTIVES = {"%Y": "YYYY", "%y": "YY", "%m": "MM", "%d": "DD", "%q": "n", "%b": "Mon", "%B": "Month"}


def _readable(form: str) -> str:
    for directive, text in _DIRECTIVES.items():
        form = form.replace(directive, text)
    return form
