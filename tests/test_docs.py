"""The documents say what the code does, and are there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from vcci_engine.results import Notice

from docs.draw_uncertainty import PICTURE, picture
from docs.write_tables import PAGES, rewritten
from tests.data_files import ROOT

FOLDERS = ("bench", "clients", "cluster", "docs", "engine", "protos", "server", "tests")
KINDS = (".md", ".proto", ".py", ".sql")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_tables_are_those_of_the_code(page: Path) -> None:
    assert page.read_text() == rewritten(page.read_text()), "run `make docs`"


def test_the_picture_is_what_the_code_draws() -> None:
    assert PICTURE.read_text() == picture(), "run `make docs`"


def test_every_notice_is_explained_with_the_methods() -> None:
    page = next(page for page in PAGES if page.name == "methods.md").read_text()
    assert not [notice.name for notice in Notice if notice.name not in page]


def test_every_document_that_is_referred_to_exists() -> None:
    named = [(path.relative_to(ROOT), document) for path in _texts() for document in _documents(path)]
    assert not [(str(path), document) for path, document in named if not (ROOT / "docs" / document).exists()]


def _texts() -> Iterator[Path]:
    yield ROOT / "README.md"
    for folder in FOLDERS:
        yield from (path for path in (ROOT / folder).rglob("*") if path.suffix in KINDS)


def _documents(path: Path) -> Iterator[str]:
    """Yield the documents that a text names from the root, and those that a page in `docs` links to beside it."""
    text = path.read_text("utf-8")
    yield from re.findall(r"\bdocs/([\w/.-]+\.md)\b", text)
    if path.parent == ROOT / "docs":
        yield from re.findall(r"\]\(([\w/-]+\.md)", text)
