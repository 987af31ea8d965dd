"""From pytest-benchmark's JSON to the results: medians and spreads, bounds kept or missed, a table to read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from bench.sizes import Sizes

Report = dict[str, Any]


def build(raw: Mapping[str, Any], sizes: Sizes, *, judged: bool) -> Report:
    """Return the results; a run that is too short to be `judged` keeps and misses no bound."""
    return {
        "measured_at": raw["datetime"],
        "commit": raw["commit_info"]["id"],
        "uncommitted_changes": raw["commit_info"]["dirty"],
        "judged": judged,
        "machine": raw["machine_info"],
        "sizes": asdict(sizes),
        "benchmarks": [_benchmark(one, judged) for one in raw["benchmarks"]],
    }


def _benchmark(raw: Mapping[str, Any], judged: bool) -> Report:
    info = raw["extra_info"]
    contenders = {
        name: {figure: _summary(values) for figure, values in figures.items()}
        for name, figures in info["contenders"].items()
    }
    results = [{**result, **_summary(result["values"]), "met": _met(result, judged)} for result in info["results"]]
    return {**info, "name": raw["name"].removeprefix("test_"), "contenders": contenders, "results": results}


def _summary(values: Sequence[float]) -> dict[str, Any]:
    return {"median": float(np.median(values)), "min": min(values), "max": max(values), "values": list(values)}


def _met(result: Mapping[str, Any], judged: bool) -> bool | None:
    """Tell whether the median keeps its bound; None when there is none, or nothing is judged."""
    median = float(np.median(result["values"]))
    if not judged or result["at_least"] is result["at_most"] is None:
        return None
    return bool(
        (result["at_least"] is None or median >= result["at_least"])
        and (result["at_most"] is None or median <= result["at_most"])
    )


def missed(report: Report) -> list[str]:
    """Return a line for each bound that was missed."""
    return [
        f"{benchmark['name']}: {result['name']} is {number(result['median'])}, required {bound(result)}"
        for benchmark in report["benchmarks"]
        for result in benchmark["results"]
        if result["met"] is False
    ]


def markdown(report: Report) -> str:
    """Return the results as a page."""
    return "\n".join(_page(report))


def _page(report: Report) -> Iterator[str]:
    machine = report["machine"]
    changes = " with uncommitted changes" if report["uncommitted_changes"] else ""
    yield "# Benchmark results\n"
    yield f"Measured {report['measured_at'][:16]} UTC, commit {report['commit'][:12]}{changes}."
    yield "Each figure is the median of the rounds, with the lowest and the highest;"
    yield "[docs/benchmarks.md](../../docs/benchmarks.md) says what they mean.\n"
    if not report["judged"]:
        yield "**A quick run: too short to judge anything by.**\n"
    for benchmark in report["benchmarks"]:
        yield f"## {benchmark['name']}\n"
        yield f"{benchmark['question']}\n"
        yield from _contenders(benchmark["contenders"])
        yield from _results(benchmark["results"])
        for name, why in benchmark.get("left_out", {}).items():
            yield f"Left out: {name}: {why}.\n"
        for name, values in benchmark["curves"].items():
            yield f"{name}, from beginning to end: {', '.join(number(value) for value in _thinned(values))}\n"
    yield "## Machine\n"
    yield from _table(("fact", "value"), [(name, str(value)) for name, value in machine.items()])
    yield "## Sizes\n"
    yield from _table(("size", "value"), [(name, f"{value:,}") for name, value in report["sizes"].items()])


def _contenders(contenders: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    figures = list(dict.fromkeys(figure for measured in contenders.values() for figure in measured))
    rows = [
        (name, *(_spread(measured[figure]) if figure in measured else "" for figure in figures))
        for name, measured in contenders.items()
    ]
    yield from _table(("", *figures), rows)


def _results(results: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if results:
        met = {True: "kept", False: "**missed**", None: ""}
        rows = [(result["name"], _spread(result), bound(result), met[result["met"]]) for result in results]
        yield from _table(("result", "measured", "required", ""), rows)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def bound(result: Mapping[str, Any]) -> str:
    if result["at_least"] is not None:
        return f"at least {number(result['at_least'])}"
    return "" if result["at_most"] is None else f"at most {number(result['at_most'])}"


def _spread(summary: Mapping[str, Any]) -> str:
    if len(summary["values"]) == 1:
        return number(summary["median"])
    return f"{number(summary['median'])} ({number(summary['min'])}–{number(summary['max'])})"


def number(value: float) -> str:
    """Return three significant digits of millions and of small numbers, else the whole number."""
    if abs(value) >= 1e6:
        return f"{value / 1e6:.3g} M"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _thinned(values: Sequence[float], most: int = 12) -> list[float]:
    if len(values) <= most:
        return list(values)
    return [values[round(position)] for position in np.linspace(0, len(values) - 1, most)]
