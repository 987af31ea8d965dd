"""What is written from results: the page, the picture, the block in README; `python -m bench.pages` does it anew."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench import plot, report

KEPT = Path(__file__).parent / "results"
README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(r"(?<=<!-- measured -->\n).*?(?=<!-- end -->)", re.DOTALL)

# What README tells: {BENCHMARK | CONTENDER | FIGURE} is a median, {BENCHMARK | RESULT} one that may have a bound.
# A line that a run did not measure is left out.
LINES = (
    (
        "durable ingest (client ▸ gRPC ▸ calculation ▸ COMMIT): files sorted by supplier; in no order",
        "{ingest[by supplier] | service | rows/s}; {ingest[in no order] | service | rows/s} rows/s",
    ),
    (
        "against bare binary COPY of the same emissions as rows, without any index",
        "{ingest[by supplier] | rows/s: service / COPY of rows}; "
        "{ingest[in no order] | rows/s: service / COPY of rows} times",
    ),
    (
        "against bare COPY of the same segments",
        "{ingest[by supplier] | rows/s: service / COPY of segments}; "
        "{ingest[in no order] | rows/s: service / COPY of segments} times",
    ),
    (
        "against bare COPY into a table with a random key and three btrees",
        "{ingest[by supplier] | rows/s: service / COPY into the guide's table} times",
    ),
    ("against Arrow Flight DoPut + COPY", "{ingest[by supplier] | rows/s: service / Arrow Flight DoPut + COPY} times"),
    ("against psycopg COPY by a script", "{ingest[by supplier] | rows/s: service / psycopg COPY by a script} times"),
    ("against FastAPI + SQLAlchemy", "{ingest[by supplier] | rows/s: service / FastAPI + SQLAlchemy} times"),
    (
        "`vcci upload` against columns in memory: CSV, Parquet; a CSV of 10,000 rows",
        "{files | rows/s: CSV / columns}, {files | rows/s: Parquet / columns} times; "
        "{files | seconds: CSV of 10,000 rows} s",
    ),
    ("memory of the server during an upload of millions of rows", "+{memory | growth MB} MB"),
    ("a message per row, per core", "{message_rows | rows/CPU-s: service} rows/s"),
    (
        "calculation on one core: one method, all fifteen categories mixed",
        "{kernel | rows/CPU-s: calculate, one method}, {kernel | rows/CPU-s: calculate, all fifteen categories} rows/s",
    ),
    (
        "Monte Carlo, 1,000 draws of each row, on one core; two Ray workers against one",
        "{montecarlo | rows/CPU-s: total} rows/s; {workers[Monte Carlo] | rows/s: 2 workers / 1 worker} times",
    ),
    (
        "one calculation a call, one caller: p50, p99 (a bare echo)",
        "{one_caller | service | p50 ms}, {one_caller | service | p99 ms} ms "
        "({one_caller | echo | p50 ms}, {one_caller | echo | p99 ms})",
    ),
    (
        "1,000 users (lists, dashboards, calculations): p95, p99; calls answered at twice the capacity, of the most",
        "{users | p95 ms: users}, {users | p99 ms: users} ms; "
        "{overload | calls/s: at twice the capacity / at capacity} times",
    ),
    ("start to serving, on an existing embedded database", "{start | start s: server} s"),
    (
        "100,000 suppliers: page of suppliers, dashboard, p95",
        "{supplier_lists | p95 ms: by code}, {dashboard | p95 ms: all rows} ms",
    ),
    (
        "all emissions of one supplier, p95; rows streamed, against COPY to STDOUT",
        "{one_supplier | p95 ms: its emissions} ms; {stream | rows/s: StreamEmissions / COPY TO STDOUT} times",
    ),
    (
        "Pareto of all suppliers; PDF that lists 1,000 of them",
        "{pareto | s: Pareto}; {reports | s: 1,000 suppliers} s",
    ),
)


def of_results(folder: Path = KEPT) -> dict[Path, str]:
    """Return what has to stand in the files that tell of a folder's results; README only of those that are kept."""
    measured = json.loads((folder / "latest.json").read_text())
    pages = {folder / "latest.md": report.markdown(measured), folder / "latest.svg": plot.draw(measured)}
    if folder == KEPT:
        pages[README] = BLOCK.sub(lambda _: block(measured), README.read_text())
    return pages


def block(measured: Mapping[str, Any]) -> str:
    """Return README's lines about what was measured."""
    return "\n".join(_lines(measured)) + "\n"


def _lines(measured: Mapping[str, Any]) -> Iterator[str]:
    machine, sizes = measured["machine"], measured["sizes"]
    yield f"On {machine['cores']} cores that client, server and PostgreSQL {machine['postgresql']} share, medians of"
    yield f"{sizes['rounds']} rounds (`make bench`; [all figures](bench/results/latest.md), [what they"
    yield "mean](docs/benchmarks.md)). Bold falls short of what is wanted.\n"
    yield "![Rows per second and latencies of VCCI, its limits and its peers](bench/results/latest.svg)\n"
    yield "| | |"
    yield "|---|---|"
    medians = _medians(measured)
    for words, template in LINES:
        names = re.findall(r"\{(.*?)\}", template)
        if all(name in medians for name in names):
            yield f"| {words} | {re.sub(r'{(.*?)}', lambda found: medians[found[1]], template)} |"


def _medians(measured: Mapping[str, Any]) -> dict[str, str]:
    """Return every figure and every result as README names and tells it."""
    told = {}
    for benchmark in measured["benchmarks"]:
        for contender, figures in benchmark["contenders"].items():
            for figure, summary in figures.items():
                told[f"{benchmark['name']} | {contender} | {figure}"] = report.number(summary["median"])
        for result in benchmark["results"]:
            told[f"{benchmark['name']} | {result['name']}"] = _told(result)
    return told


def _told(result: Mapping[str, Any]) -> str:
    median = report.number(result["median"])
    return f"**{median}** ({report.bound(result)})" if result["met"] is False else median


def main() -> None:
    for path, page in of_results().items():
        path.write_text(page)


if __name__ == "__main__":
    main()
