"""The works that the service spreads over Ray's workers, as large as it makes them, with nothing around them.

Workers find their functions by name, so they are the service's own; a million rows take several of each.
"""

from collections.abc import Callable
from datetime import timedelta

import numpy as np
from vcci.v1.upload_service_pb2 import AppendActivitiesRequest
from vcci_client.encode import Form, encode
from vcci_cluster import Work
from vcci_engine.dates import EPOCH
from vcci_engine.distinct import distinct
from vcci_engine.methods import VERSION
from vcci_engine.montecarlo import Draws, Rows, cell_sums, own_sigma
from vcci_engine.restatement import Tables
from vcci_engine.results import Basis, Emissions
from vcci_server.batches import decode_and_calculate
from vcci_server.simulating import CPU_S_PER_DRAW, CPU_S_PER_ROW, WORK_S, simulation_work
from vcci_server.storage.reading import Filter, Position
from vcci_server.storage.restated import Held, restate_part
from vcci_server.storage.restating import PART_ROWS
from vcci_server.storage.sums import Countries
from vcci_server.validation import BatchLimits

from bench import dataset
from bench.prepared import prepare, starter_table
from bench.sizes import Sizes

MOST_BATCHES = 4  # in a part of a run
WORKS_PER_WORKER = 2  # each turn
Works = list[Work[object]]


def montecarlo(sizes: Sizes) -> Works:
    """Draws of so many rows that a work takes as long as those of SimulateEmissions."""
    rows, n_cells = rows_by_factor(_emissions(sizes))
    step = min(len(rows), round(WORK_S / (CPU_S_PER_ROW + sizes.draws * CPU_S_PER_DRAW)))
    part = Rows(rows.upload[:step], rows.row[:step], rows.kg_co2e[:step], rows.sigma[:step], rows.cell[:step])
    return [simulation_work(cell_sums, (), (part, n_cells, Draws(0, sizes.draws)), step, sizes.draws)] * _works(sizes)


def recalculation(sizes: Sizes) -> Works:
    """Parts of a run: stored segments restated under another factor set."""
    factors = starter_table()
    prepared = prepare(dataset.batch(0, sizes), factors)
    basis = Basis(*factors.version, VERSION)
    days = [(EPOCH + timedelta(days=segment.quarter), segment) for segment in prepared.segments]
    held = [Held(Position(1, 0, 0, n, day), basis, segment) for n, (day, segment) in enumerate(days)]
    every = np.unique(prepared.supplier_ids)
    countries = Countries(every, (every - 1) % len(dataset.COUNTRIES), dataset.COUNTRIES)
    times = min(max(1, PART_ROWS // sizes.batch_rows), MOST_BATCHES)
    rows = len(prepared.emissions) * times
    shared = (Tables(factors, factors, starter_table()), countries)
    return [Work("recalculate", restate_part, (held * times, Filter(), ""), 60.0, rows, shared=shared)] * _works(sizes)


def message_rows(sizes: Sizes) -> Works:
    """Batches of a message per row."""
    (encoded,) = encode(dataset.batch(0, sizes), 0, form=Form.ROWS, max_bytes=1 << 30)
    append = AppendActivitiesRequest.FromString(encoded.request).append
    arguments = (append, BatchLimits(), False, None)
    rows = sizes.batch_rows
    return [Work("calculate_rows", decode_and_calculate, arguments, 60.0, rows, shared=(starter_table(),))] * _works(
        sizes
    )


KINDS: dict[str, Callable[[Sizes], Works]] = {
    "Monte Carlo": montecarlo,
    "recalculation": recalculation,
    "message rows": message_rows,
}


def _works(sizes: Sizes) -> int:
    return WORKS_PER_WORKER * sizes.workers


def _emissions(sizes: Sizes) -> Emissions:
    return prepare(dataset.batch(0, sizes), starter_table()).emissions


def rows_by_factor(emissions: Emissions) -> tuple[Rows, int]:
    """Return rows to be summed for a total, in a cell for each factor, and the number of cells."""
    ids, cell = distinct(emissions.factor.astype(np.intp), int(emissions.factor.max(initial=0)) + 1)
    rows = Rows(
        upload=np.ones(len(emissions), np.int64),
        row=emissions.row,
        kg_co2e=emissions.kg_co2e,
        sigma=own_sigma(emissions.quality, emissions.factor),
        cell=cell,
    )
    return rows, len(ids)
