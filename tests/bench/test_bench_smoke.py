"""The benchmarks still run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.sizes import QUICK

pytest.importorskip("hdrh", reason="hdrhistogram has no wheel here")

ROOT = Path(__file__).parents[2]
BENCHMARKS = [
    "reads_beside_ingest",
    "one_caller",
    "many_callers",
    "open_loop",
    "files",
    "ingest[by supplier]",
    "ingest[in no order]",
    "kernel",
    "memory",
    "montecarlo",
    "calls_of_processes",
    "ingest_of_processes",
    "supplier_lists",
    "dashboard",
    "one_supplier",
    "stream",
    "aggregates",
    "pareto",
    "reports",
    "message_rows",
    "start",
    "users",
    "overload",
    "workers[Monte Carlo]",
    "workers[recalculation]",
    "workers[message rows]",
]


def test_a_quick_run_measures_everything(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "--quick", f"--results={tmp_path}"]
    run = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert run.returncode == 0, run.stdout
    measured = json.loads((tmp_path / "latest.json").read_text())
    assert [benchmark["name"] for benchmark in measured["benchmarks"]] == BENCHMARKS
    for benchmark in measured["benchmarks"]:
        measures = [
            summary["median"]
            for figures in benchmark["contenders"].values()
            for name, summary in figures.items()
            if name.endswith(("/s", " ms")) or name in ("s", "start s")
        ]
        assert measures
        assert min(measures) > 0
        assert all(len(result["values"]) == QUICK.rounds for result in benchmark["results"])
    assert (tmp_path / "latest.md").read_text().startswith("# Benchmark results")
    assert "VCCI: durable ingest" in (tmp_path / "latest.svg").read_text()
