"""The published examples through the gRPC API."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.data_files import shared_data
from tests.golden.__main__ import main
from tests.golden.run import read, results, table
from tests.server_process import running_server

EXAMPLES = "worked_examples.json"


async def test_every_published_example_gives_its_answer_through_the_api() -> None:
    examples = read(shared_data(EXAMPLES))
    with running_server() as server:
        found = await results(server, examples)
    assert Counter(of.right for of in found) == {True: 39}, table(found)


def test_the_command_fails_when_one_is_off_by_more_than_a_billionth(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    examples = json.loads(shared_data(EXAMPLES).read_text())[:3]
    examples[1]["expected"] *= 1 + 2e-9
    (tmp_path / EXAMPLES).write_text(json.dumps(examples))
    monkeypatch.setenv("VCCI_TEST_DATA", str(tmp_path))
    assert main() == 1
    shown = capsys.readouterr().out
    assert [line.split()[0] for line in shown.splitlines() if line.endswith("WRONG")] == [examples[1]["id"]]
    assert "2 of 3 within 1e-09" in shown


def test_the_command_fails_without_the_examples(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VCCI_TEST_DATA", str(tmp_path))
    assert main() == 1
