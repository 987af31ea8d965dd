"""The model of scaling: what is full first, and that nothing is had for nothing."""

import pytest

from bench.scaling import NODES, Costs, Machine, Rate, WorkCosts, best, ingest, kept, machine_of, tables, works

COSTS = Costs(server=0.3, postgres=0.1, folding=2.0)
MACHINE = Machine(cores=10, network_gbit_s=8, disk_mb_s=940)


def check(rate: Rate, rows_s: float, full: str) -> None:
    assert rate.full == full
    assert rate.rows_s == pytest.approx(rows_s)


def test_one_node_has_everything_on_its_cores() -> None:
    slow = Machine(cores=2)
    check(ingest(1, 1, COSTS, slow, sustained=False), 5e6, "CPU")
    check(ingest(1, 1, COSTS, slow, sustained=True), 0.5e6, "folding")


def test_one_database_fills_before_the_servers_do() -> None:
    for nodes in (10, 100):
        check(ingest(nodes, 1, COSTS, MACHINE, sustained=False), 10e6, "database: disk")


def test_tenants_over_databases_scale_with_the_nodes() -> None:
    found = {nodes: best(nodes, COSTS, MACHINE, sustained=False) for nodes in (10, 100, 1_000)}
    assert found[100].rate.rows_s / found[10].rate.rows_s == pytest.approx(10, rel=0.2)
    assert found[1_000].rate.rows_s / found[100].rate.rows_s == pytest.approx(10, rel=0.05)
    assert all(layout.databases < nodes for nodes, layout in found.items())


@pytest.mark.parametrize("sustained", [False, True])
def test_more_nodes_never_take_less(sustained: bool) -> None:
    rates = [best(nodes, COSTS, MACHINE, sustained=sustained).rate.rows_s for nodes in NODES]
    assert rates == sorted(rates)


def test_a_server_feeds_so_many_workers_as_passing_their_works_leaves_time_for() -> None:
    costs = WorkCosts(worker=8.0, passing=0.1)
    check(works(4, costs, MACHINE), 5e6, "workers")
    check(works(100, costs, MACHINE), 10e6, "the servers' drivers")
    check(works(100, costs, MACHINE, servers=5), 50e6, "the servers' drivers")


def test_the_kept_results_have_every_cost_and_make_tables() -> None:
    costs, of_works = kept()
    lines = list(tables(costs, of_works, machine_of(["cores=8", "disk_mb_s=500"])))
    assert sum(line.startswith("| 1,000 |") for line in lines) == 2
    assert all(0 < of.passing < of.worker for of in of_works.values())


def test_an_unknown_fact_of_a_machine_is_refused() -> None:
    with pytest.raises(ValueError, match="expected NAME=VALUE"):
        machine_of(["ram=3"])
