"""What more machines bring, by the measured costs of the stages: rows per second, and what is full first.

    python -m bench.scaling [cores=16] [network_gbit_s=10] [disk_mb_s=1000]

Costs are those of bench/results (`make bench`); a machine's network and disk are assumed, and
can be changed. docs/scaling.md says what the tables mean and what to do.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

RESULTS = Path(__file__).parent / "results"
NODES = (1, 2, 10, 100, 1_000)
WIRE_BYTES = 40  # of a row as columns
STORED_BYTES = 2 * 47  # of a row: in the log and in its table (limits: 44 to 59 each)
KINDS = {"Monte Carlo, 1,000 draws": "Monte Carlo", "recalculation": "recalculation", "message rows": "message rows"}


@dataclass(frozen=True, slots=True)
class Machine:
    """One node."""

    cores: float = 16
    network_gbit_s: float = 10
    disk_mb_s: float = 1_000


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU seconds per million rows."""

    server: float
    postgres: float
    folding: float  # and merging, by whoever leads the background work of a database


@dataclass(frozen=True, slots=True)
class WorkCosts:
    """CPU seconds per million rows of works on Ray."""

    worker: float
    passing: float  # of one server's sender and driver


class Rate(NamedTuple):
    """Rows per second, and what does not take more."""

    rows_s: float
    full: str


class Layout(NamedTuple):
    """How nodes are shared out, and what that takes."""

    databases: int
    rate: Rate


def ingest(nodes: int, databases: int, costs: Costs, machine: Machine, *, sustained: bool) -> Rate:
    """Return what nodes take of which some hold a database each; `sustained`: with the background keeping up.

    A database's background work has one leader, taken as one core. One node has everything.
    """
    per_database = {
        "database: CPU": machine.cores / costs.postgres * 1e6,
        "database: network": machine.network_gbit_s / 8 * 1e9 / WIRE_BYTES,
        "database: disk": machine.disk_mb_s * 1e6 / STORED_BYTES,
    }
    if nodes == 1:
        del per_database["database: CPU"], per_database["database: network"]
    if sustained:
        per_database["folding"] = 1e6 / costs.folding
    stages = {name: databases * rate for name, rate in per_database.items()}
    folding = costs.folding if sustained else 0.0
    if nodes == 1:
        stages["CPU"] = machine.cores / (costs.server + costs.postgres + folding) * 1e6
    else:
        stages["servers: CPU"] = (nodes - databases) * machine.cores / (costs.server + folding) * 1e6
    full = min(stages, key=lambda name: stages[name])
    return Rate(stages[full], full)


def best(nodes: int, costs: Costs, machine: Machine, *, sustained: bool) -> Layout:
    """Return the number of databases, tenants spread over them, with which nodes take most."""
    counts = range(1, max(nodes, 2))
    layouts = [Layout(count, ingest(nodes, count, costs, machine, sustained=sustained)) for count in counts]
    return max(layouts, key=lambda layout: (layout.rate.rows_s, -layout.databases))


def works(nodes: int, costs: WorkCosts, machine: Machine, *, servers: int = 1) -> Rate:
    """Return what workers on all cores of nodes do, fed by some servers."""
    stages = {
        "workers": nodes * machine.cores / costs.worker * 1e6,
        "the servers' drivers": servers / costs.passing * 1e6,
    }
    full = min(stages, key=lambda name: stages[name])
    return Rate(stages[full], full)


def costs_of(report: Mapping[str, Any]) -> Costs:
    """Return the costs of ingest that a run of the benchmarks measured."""
    measured = _figures(report, "ingest[by supplier]", "service")
    return Costs(
        server=measured["server CPU-s/M"],
        postgres=measured["postgres CPU-s/M"],
        folding=measured["folding and merging later, CPU-s/M"],
    )


def work_costs_of(report: Mapping[str, Any], kind: str) -> WorkCosts:
    """Return the costs of a kind of works, when one worker does them."""
    measured = _figures(report, f"workers[{kind}]", "1 worker")
    return WorkCosts(measured["CPU-s/M"] - measured["passing CPU-s/M"], measured["passing CPU-s/M"])


def _figures(report: Mapping[str, Any], benchmark: str, contender: str) -> dict[str, float]:
    (found,) = (one for one in report["benchmarks"] if one["name"] == benchmark)
    return {name: summary["median"] for name, summary in found["contenders"][contender].items()}


def tables(costs: Costs, of_works: Mapping[str, WorkCosts], machine: Machine) -> Iterator[str]:
    """Yield the model as Markdown."""
    yield "| nodes | a burst, one database | tenants over databases | without an end, one database | over databases |"
    yield "|---|---|---|---|---|"
    for nodes in NODES:
        cells = [
            cell
            for sustained in (False, True)
            for cell in (
                _told(ingest(nodes, 1, costs, machine, sustained=sustained)),
                _laid_out(best(nodes, costs, machine, sustained=sustained)),
            )
        ]
        yield f"| {nodes:,} | {' | '.join(cells)} |"
    yield ""
    yield f"| nodes of workers, one server | {' | '.join(of_works)} |"
    yield f"|{'---|' * (len(of_works) + 1)}"
    for nodes in NODES:
        yield f"| {nodes:,} | {' | '.join(_told(works(nodes, of, machine)) for of in of_works.values())} |"
    fed = [f"{of.worker / of.passing:,.0f}" for of in of_works.values()]
    yield f"| workers that one server's driver feeds | {' | '.join(fed)} |"


def _told(rate: Rate) -> str:
    size, unit = (rate.rows_s / 1e9, "G") if rate.rows_s >= 1e9 else (rate.rows_s / 1e6, "M")
    return f"{size:.3g} {unit} rows/s ({rate.full})"


def _laid_out(layout: Layout) -> str:
    return f"{layout.databases:,}: {_told(layout.rate)}"


def machine_of(arguments: Sequence[str]) -> Machine:
    """Return the machine that NAME=VALUEs describe; raises ValueError for an unknown name or a wrong value."""
    names = [field.name for field in fields(Machine)]
    changes = dict(argument.split("=", 1) for argument in arguments)
    if unknown := changes.keys() - set(names):
        raise ValueError(f"{sorted(unknown)}: expected NAME=VALUE with a name of {', '.join(names)}")
    return replace(Machine(), **{name: float(value) for name, value in changes.items()})


def kept() -> tuple[Costs, dict[str, WorkCosts]]:
    """Return the costs of the results that are kept, those of works by their titles."""
    report = json.loads((RESULTS / "latest.json").read_text())
    return costs_of(report), {title: work_costs_of(report, kind) for title, kind in KINDS.items()}


def main() -> None:
    print("\n".join(tables(*kept(), machine_of(sys.argv[1:]))))


if __name__ == "__main__":
    main()
