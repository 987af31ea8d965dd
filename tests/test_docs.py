"""The documents say what the code does."""

from pathlib import Path

import pytest
from vcci_engine.results import Notice

from docs.write_tables import PAGES, rewritten


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_tables_are_those_of_the_code(page: Path) -> None:
    assert page.read_text() == rewritten(page.read_text()), "run `make docs`"


def test_every_notice_is_explained_with_the_methods() -> None:
    page = next(page for page in PAGES if page.name == "methods.md").read_text()
    assert not [notice.name for notice in Notice if notice.name not in page]
