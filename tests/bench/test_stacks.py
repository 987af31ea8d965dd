"""Peers in environments of their own store the emissions that the service does."""

import asyncio
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg
import numpy as np
import pytest
from pyarrow import flight
from vcci_client.activities import Activities

from bench import dataset, stack_inputs
from bench.database import Database, embedded_postgres, state_folder
from bench.prepared import prepare, starter_table
from bench.row_format import NAMES, TABLE, encoded
from bench.sizes import QUICK
from bench.stack import STACKS, Stack, create_tables, running
from bench.stacks.calculation import calculate
from bench.stacks.flight_client import record_batch, upload
from bench.stacks.flight_service import Columns, Server, Store

SIZES = replace(QUICK, batch_rows=3_000, slow_peer_rows=500)
BATCHES = [dataset.batch(number, SIZES, order=dataset.Order.BY_SUPPLIER) for number in range(2)]


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with state_folder() as folder, embedded_postgres(folder) as server:
        own = server.create("stacks")
        own.run(lambda connection: create_tables(connection, SIZES.quarters))
        yield own


@pytest.mark.parametrize("order", list(dataset.Order))
def test_the_plain_formulas_give_the_emissions_of_the_engine(order: dataset.Order) -> None:
    batches = [dataset.batch(number, SIZES, order=order) for number in range(2)]
    known = stack_inputs.reference(batches, SIZES)
    for batch in batches:
        emissions = prepare(batch, starter_table()).emissions
        plain = calculate(stack_inputs.of_activities(batch, known), known)
        np.testing.assert_allclose(plain["kg_co2e"], emissions.kg_co2e, rtol=1e-12)
        np.testing.assert_allclose(plain["sigma"], emissions.sigma, rtol=1e-6)
        for name in ("period", "quantity", "factor", "category", "method", "unit", "quality"):
            assert np.array_equal(plain[name], getattr(emissions, name)), name


def test_flight_acknowledges_what_is_stored(database: Database) -> None:
    known = stack_inputs.reference(BATCHES, SIZES)
    batches = [record_batch(stack_inputs.of_activities(batch, known), known) for batch in BATCHES]
    _empty(database, TABLE)
    with Server(known, _opener(database)) as server, flight.connect(f"grpc://127.0.0.1:{server.port}") as client:
        told = upload(client, batches)
    _check(database, TABLE, BATCHES)
    assert told == 2 * SIZES.batch_rows


@pytest.mark.parametrize(
    "stack",
    [
        pytest.param(stack, marks=pytest.mark.skipif(not stack.installed, reason="only after `make bench-peers`"))
        for stack in STACKS
    ],
    ids=lambda stack: stack.environment,
)
def test_every_turn_of_a_peer_stores_the_same_emissions(database: Database, stack: Stack, tmp_path: Path) -> None:
    files = stack_inputs.write(tmp_path, BATCHES, SIZES)
    sent = [BATCHES[0].slice(0, SIZES.slow_peer_rows)] if stack.slow else BATCHES
    with running(stack, database, files) as peer:
        for _ in range(2):
            assert peer.turn()["rows/s"] > 0
            _check(database, stack.table, sent)


def _opener(database: Database) -> Callable[[], AbstractContextManager[Store]]:
    """Return how to open a store on asyncpg, which is here: psycopg need not be."""

    @contextmanager
    def open_store() -> Iterator[Store]:
        yield lambda offset, columns: asyncio.run(_copy(database.url, offset, columns))

    return open_store


async def _copy(url: str, offset: int, columns: Columns) -> None:
    connection = await asyncpg.connect(url)
    try:
        source = io.BytesIO(encoded(1, offset, columns))
        await connection.copy_to_table(TABLE, columns=NAMES, format="binary", source=source)
    finally:
        await connection.close()


def _empty(database: Database, table: str) -> None:
    database.run(lambda connection: connection.execute(f"TRUNCATE {table}"))


def _check(database: Database, table: str, sent: Sequence[Activities]) -> None:
    query = f"SELECT count(*) AS rows, count(DISTINCT supplier) AS suppliers, sum(kg_co2e) AS kg FROM {table}"
    [stored] = database.run(lambda connection: connection.fetch(query))
    prepared = [prepare(batch, starter_table()) for batch in sent]
    suppliers = {number for batch in prepared for number in batch.supplier_ids[batch.emissions.supplier].tolist()}
    assert (stored["rows"], stored["suppliers"]) == (sum(map(len, sent)), len(suppliers))
    assert stored["kg"] == pytest.approx(sum(float(batch.emissions.kg_co2e.sum()) for batch in prepared), rel=1e-9)
