"""The named statements of queries/*.sql: `-- name: advance_upload`, then the statement, up to the next name."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

FOLDER = Path(__file__).with_name("queries")
NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def _statements(path: Path) -> Iterator[tuple[str, str]]:
    _, *parts = NAME.split(path.read_text(encoding="utf-8"))
    yield from zip(parts[::2], (statement.strip().removesuffix(";") for statement in parts[1::2]), strict=True)


def _load() -> dict[str, str]:
    loaded: dict[str, str] = {}
    for path in sorted(FOLDER.glob("*.sql")):
        for name, statement in _statements(path):
            if name in loaded:
                raise ValueError(f"{path.name}: there is another statement named {name}")
            loaded[name] = statement
    return loaded


QUERIES = MappingProxyType(_load())
NAMES = MappingProxyType({statement: name for name, statement in QUERIES.items()})
