"""Run the benchmarks, write the results, and fail when a required figure is missed."""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import pytest

from bench import pages, report
from bench.sizes import FULL, QUICK, Sizes

FOLDER = Path(__file__).parent
TIMEOUT_S = 1_800  # of one benchmark


def main() -> int:
    arguments = _parse()
    sizes = arguments.sizes
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder, "raw.json")
        status = pytest.main(_pytest_arguments(arguments.only, sizes, raw))
        if status:
            return int(status)
        measured = report.build(json.loads(raw.read_text()), sizes, judged=not arguments.quick)
    _write(measured, arguments.results)
    for line in report.missed(measured):
        print(f"MISSED  {line}", file=sys.stderr)
    return 1 if report.missed(measured) else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="a smoke run of seconds, which judges nothing")
    size.add_argument("--full", action="store_true", help="with ten million rows, and for longer")
    parser.add_argument("--only", default="", metavar="NAME", help="the benchmarks whose names contain this")
    parser.add_argument(
        "--results", type=Path, metavar="FOLDER", help="default: bench/results; out/bench of a part or of --quick"
    )
    parser.add_argument("changes", nargs="*", metavar="NAME=VALUE", help="a size of bench/sizes.py: rounds=3")
    arguments = parser.parse_args()
    try:
        arguments.sizes = (QUICK if arguments.quick else FULL if arguments.full else Sizes()).changed(arguments.changes)
    except ValueError as error:
        parser.error(str(error))
    if arguments.results is None:
        kept = not (arguments.quick or arguments.only)
        arguments.results = FOLDER / "results" if kept else FOLDER.parent / "out" / "bench"
    return arguments


def _pytest_arguments(only: str, sizes: Sizes, raw: Path) -> list[str]:
    return [
        str(FOLDER),
        f"--rootdir={FOLDER.parent}",
        f"--config-file={FOLDER.parent / 'pyproject.toml'}",
        "--override-ini=python_files=bench_*.py",
        "--verbose",
        "--durations=0",
        "--durations-min=1",
        "--no-header",
        f"--timeout={TIMEOUT_S}",
        f"-k={only}",
        f"--sizes={sizes.to_json()}",
        f"--benchmark-json={raw}",
        "--benchmark-quiet",
        "-Wdefault::pytest_benchmark.logger.PytestBenchmarkWarning",  # no benchmark ended: pytest says why
    ]


def _write(measured: report.Report, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "latest.json").write_text(json.dumps(measured, indent=1) + "\n")
    for path, page in pages.of_results(folder).items():
        path.write_text(page)
    print(f"\n{report.markdown(measured)}\nWritten to {folder}")


if __name__ == "__main__":
    sys.exit(main())
