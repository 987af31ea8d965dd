"""What is told of the kept results is what they are."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bench import pages, plot
from bench.latency import Latencies

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("path", pages.of_results(), ids=lambda path: path.name)
def test_what_is_told_of_the_kept_results_is_what_they_are(path: Path) -> None:
    assert path.read_text() == pages.of_results()[path], "run `python -m bench.pages`"


def test_readme_has_the_block_and_the_picture() -> None:
    assert pages.BLOCK.search(pages.README.read_text())
    assert "(bench/results/latest.svg)" in pages.README.read_text()


def measured(*benchmarks: Mapping[str, Any]) -> dict[str, Any]:
    machine, sizes = {"cores": 2, "postgresql": "15.18"}, {"rounds": 3}
    return {"machine": machine, "sizes": sizes, "benchmarks": list(benchmarks)}


def benchmark(
    name: str, contenders: Mapping[str, float], results: Mapping[str, float], met: bool | None
) -> dict[str, Any]:
    return {
        "name": name,
        "contenders": {of: {"rows/s": {"median": rows, "min": rows, "max": rows}} for of, rows in contenders.items()},
        "results": [
            {"name": of, "median": value, "met": met, "at_least": 5.0, "at_most": None} for of, value in results.items()
        ],
    }


def test_readme_tells_medians_and_marks_what_falls_short() -> None:
    against = {"rows/s: service / Arrow Flight DoPut + COPY": 4.0}
    kept, missed = (pages.block(measured(benchmark("ingest[by supplier]", {}, against, met))) for met in (True, False))
    assert "| against Arrow Flight DoPut + COPY | 4 times |" in kept
    assert "| against Arrow Flight DoPut + COPY | **4** (at least 5) times |" in missed


def test_readme_leaves_out_what_was_not_measured() -> None:
    assert "memory" not in pages.block(measured())


def test_the_picture_has_a_bar_for_each_contender_as_long_as_its_rows_per_second() -> None:
    one = benchmark("ingest[by supplier]", {"service": 4e6, "COPY of rows": 1e6}, {}, None)
    root = ElementTree.fromstring(plot.draw(measured(one)))
    bars = {of.get("class"): float(of.get("width", 0)) for of in root.iter(f"{SVG}rect")}
    assert bars["ours"] / bars["limit"] == pytest.approx(4.0, rel=1e-2)


def test_the_picture_has_a_line_for_the_latencies_of_each_contender() -> None:
    curve = {"percent_ms": json.loads(json.dumps(Latencies([0.001, 0.002, 0.1]).curve()))}
    one = {"name": "open_loop", "contenders": {}, "results": [], "latencies": {"service": curve, "echo": curve}}
    root = ElementTree.fromstring(plot.draw(measured(one)))
    lines = [of.get("class") for of in root.iter(f"{SVG}path")]
    assert lines.count("line-ours") == lines.count("line-limit") == 1


def test_the_picture_has_colours_for_dark_pages() -> None:
    assert "prefers-color-scheme:dark" in plot.draw(measured())
