"""The client of Arrow Flight: record batches in memory, sent without waiting for what is acknowledged."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import flight

from bench.stacks.calculation import Batch, Reference, Texts
from bench.stacks.flight_service import SCORES
from bench.stacks.turns import Job, take_turns


def record_batch(batch: Batch, reference: Reference) -> pa.RecordBatch:
    """Return the activities as Arrow has them, texts as dictionaries of what the batch uses."""
    scores = {name: pa.array(batch.scores[:, kind]) for kind, name in enumerate(SCORES)}
    columns = {
        "supplier": _texts(batch.supplier, reference.suppliers),
        "category": pa.array(batch.category),
        "period": pa.array(batch.period).cast(pa.date32()),
        "quantity": pa.array(batch.quantity),
        "unit": _texts(batch.unit, reference.units),
        "factor": _texts(batch.key, reference.keys),
        **scores,
        "distance": pa.array(batch.distance, mask=batch.distance == 1.0),
        "supplier_factor": pa.array(batch.own_factor, mask=batch.own_factor == 1.0),
    }
    return pa.RecordBatch.from_pydict(columns)


def _texts(positions: npt.NDArray[np.integer], texts: Texts) -> pa.DictionaryArray:
    used, index = np.unique(positions, return_inverse=True)
    return pa.DictionaryArray.from_arrays(index.astype(np.int32), texts[used].tolist())


def upload(client: flight.FlightClient, batches: Sequence[pa.RecordBatch]) -> int:
    """Return how many rows are durable when all are."""
    writer, reader = client.do_put(flight.FlightDescriptor.for_path("activities"), batches[0].schema)
    with writer, ThreadPoolExecutor(1) as readers:
        durable = readers.submit(_last, reader)
        for batch in batches:
            writer.write_batch(batch)
        writer.done_writing()
        return durable.result()


def _last(reader: flight.FlightMetadataReader) -> int:
    last = 0
    while (told := reader.read()) is not None:
        last = int(told.to_pybytes())
    return last


def main() -> None:
    job = Job.of_arguments()
    loaded, reference = job.load()
    batches = [record_batch(batch, reference) for batch in loaded]
    with flight.connect(f"grpc://{job.server}") as client:
        take_turns(lambda: upload(client, batches))


if __name__ == "__main__":
    main()
