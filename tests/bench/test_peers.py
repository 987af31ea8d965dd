"""The peers do what they say, on the rows that the service gets."""

from dataclasses import replace

import numpy as np
import pytest
from vcci_engine.methods import BEST_FIRST

from bench import dataset
from bench.database import embedded_postgres, state_folder
from bench.peers import Peers
from bench.prepared import prepare, starter_table
from bench.sizes import QUICK

SIZES = replace(QUICK, ingest_rows=20_000, streams=2)


def test_batches_are_the_same_every_time_and_differ_from_each_other() -> None:
    first, again, second = (dataset.batch(number, SIZES) for number in (0, 0, 1))
    assert np.array_equal(first.quantity, again.quantity)
    assert not np.array_equal(first.quantity, second.quantity)


def test_rows_by_supplier_bring_every_supplier_once() -> None:
    batches = dataset.batches(SIZES, order=dataset.Order.BY_SUPPLIER)
    codes = [code for batch in batches for code in batch.supplier.entries]
    assert len(codes) == len(set(codes))
    assert all((np.diff(batch.supplier.index.astype(int)) >= 0).all() for batch in batches)


def test_a_mixed_batch_has_every_method_that_is_chosen_and_several_categories() -> None:
    emissions = prepare(dataset.batch(0, SIZES), starter_table()).emissions
    assert set(emissions.method.tolist()) == {method.number for method in BEST_FIRST}
    assert len(set(emissions.category.tolist())) >= 5


def test_peers_store_the_same_emissions_as_rows_and_as_segments() -> None:
    factors = starter_table()
    batches = [prepare(batch, factors) for batch in dataset.batches(SIZES)]
    with state_folder() as folder, embedded_postgres(folder) as database:
        own = database.create("peers")
        peers = Peers(own, batches, SIZES)
        peers.copy_segments()
        [segments] = own.run(lambda db: db.fetch("SELECT sum(n) AS n, sum(ug_co2e) AS ug FROM emission_segments"))
        peers.copy_rows()
        [rows] = own.run(lambda db: db.fetch("SELECT count(*) AS n, sum(kg_co2e) * 1e9 AS ug FROM emission_rows"))
    assert rows["n"] == segments["n"] == SIZES.turn_rows
    assert rows["ug"] == pytest.approx(float(segments["ug"]), rel=1e-9)
