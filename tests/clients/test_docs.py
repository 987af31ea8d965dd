"""What the documentation says of files and of the client holds."""

import re
import tomllib
from pathlib import Path

from vcci_client.fields import OPTIONAL, REQUIRED
from vcci_client.mapping import FileFormat, parse_mapping

from tests.clients.samples import plain, read
from tests.data_files import ROOT

TEXT = (ROOT / "docs" / "files.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [text for name, text in BLOCKS if name == language]


def test_the_examples_are_files_that_can_be_read(tmp_path: Path) -> None:
    own, foreign = blocks("csv")
    for name, text in (("a.csv", own), ("a.jsonl", blocks("json")[0]), ("spend.csv", foreign)):
        (tmp_path / name).write_text(text)
    mapping = parse_mapping(tomllib.loads(blocks("toml")[0]))
    found = [
        plain(read(tmp_path / "a.csv")),
        plain(read(tmp_path / "a.jsonl")),
        plain(read(tmp_path / "spend.csv", mapping)),
    ]
    assert [len(rows) for rows in found] == [3, 1, 2]
    assert not any(row["wrong"] for rows in found for row in rows)
    assert found[2][0]["factor"] == "naics:332991"


def test_the_values_of_the_example_are_a_mapping() -> None:
    document = tomllib.loads("\n".join(blocks("toml")))
    assert set(parse_mapping(document).values) == {"category", "unit"}


def test_every_column_and_setting_is_in_a_table() -> None:
    for name in (*REQUIRED, *OPTIONAL, "supplier_factor", *FileFormat.__slots__):
        assert f"`{name}`" in TEXT
