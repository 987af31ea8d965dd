"""`vcci demo`, from the command line, without a terminal."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a demo that has run."""
    folder = tmp_path_factory.mktemp("demo") / "out"
    command = [sys.executable, "-c", "from vcci_client.cli import main; main()", "demo", "--out", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    (folder / "printed.txt").write_text(done.stdout)
    return folder


def test_it_stores_the_sample_and_says_why_not_the_rest(out: Path) -> None:
    summary = json.loads((out / "summary.json").read_text())
    assert summary["rows"] == 50_000
    assert summary["committed"] + summary["rejected"] == 50_000
    assert 400 < summary["rejected"] < 600
    reasons = {reason.partition(" ")[0] for reason in summary["reasons"]}
    assert reasons == {
        *("NEGATIVE", "UNKNOWN_FACTOR", "UNKNOWN_UNIT", "INCOMPATIBLE_UNIT", "REQUIRED_FIELD", "MALFORMED_VALUE"),
        *("OUT_OF_RANGE", "UNKNOWN_CATEGORY"),
    }
    assert len((out / "rejected.csv").read_text().splitlines()) == summary["rejected"] + 1


def test_it_uses_both_places(out: Path) -> None:
    batches = json.loads((out / "summary.json").read_text())["batches"]
    assert batches["columns in_process"] > 0
    assert batches["rows ray"] > 0


def test_it_writes_what_it_came_to(out: Path) -> None:
    summary = json.loads((out / "summary.json").read_text())
    emissions = pa.parquet.read_table(out / "emissions.parquet")
    assert emissions.num_rows == summary["committed"]
    assert sum(emissions["kg_co2e"].to_pylist()) == pytest.approx(summary["kg_co2e"])
    for name, groups in (("by_category.csv", 8), ("suppliers.csv", 10_000)):
        lines = (out / name).read_text().splitlines()
        assert len(lines) == groups + 1
        assert sum(float(line.split(",")[2]) for line in lines[1:]) == pytest.approx(summary["kg_co2e"])


def test_it_prints_what_a_newcomer_wants_to_see(out: Path) -> None:
    printed = (out / "printed.txt").read_text()
    for text in ("rows are stored", "rejected.csv lists each", "95 % interval", "largest suppliers", "rows/s, durable"):
        assert text in printed
    assert " 1 purchased goods and services" in printed
    assert "on Ray" in printed
