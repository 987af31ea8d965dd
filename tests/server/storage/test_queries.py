"""The named statements: found, unique, and each used somewhere."""

import re
from pathlib import Path

import pytest
from vcci_server.storage import queries

SERVER = Path(queries.__file__).parents[1]


def test_every_statement_is_used_and_every_one_used_exists() -> None:
    sources = "\n".join(path.read_text() for path in SERVER.rglob("*.py"))
    assert set(re.findall(r'QUERIES\[\s*"(\w+)"', sources)) == set(queries.QUERIES)


def test_a_name_is_given_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.sql", "b.sql"):
        (tmp_path / name).write_text("-- name: twice\nSELECT 1;\n")
    monkeypatch.setattr(queries, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match=r"b\.sql: there is another statement named twice"):
        queries._load()


def test_a_statement_keeps_what_is_said_of_it() -> None:
    assert queries.QUERIES["select_upload"] == (
        "-- Index: uploads_pkey.\nSELECT * FROM uploads WHERE tenant_id = $1 AND upload_id = $2"
    )
