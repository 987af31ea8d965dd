"""Arrow Flight: DoPut takes record batches of activities, calculates them in NumPy, and stores the rows by COPY.

A batch is acknowledged, by how many rows are durable so far, after its COMMIT. While one is stored the next is read and
calculated.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import flight

from bench.stacks.calculation import Batch, Positions, Reference, Texts, calculate

Columns = dict[str, npt.NDArray[np.generic]]
Store = Callable[[int, Columns], None]  # offset, rows
SCORES = ("reliability", "completeness", "temporal", "geographical", "technological")


class Server(flight.FlightServerBase):
    """Opens a store for each upload, and keeps it until the upload has ended."""

    def __init__(self, reference: Reference, open_store: Callable[[], AbstractContextManager[Store]]) -> None:
        super().__init__("grpc://127.0.0.1:0")
        self._reader = Reader(reference)
        self._reference = reference
        self._open_store = open_store

    def do_put(
        self,
        context: flight.ServerCallContext,
        descriptor: flight.FlightDescriptor,
        reader: flight.MetadataRecordBatchReader,
        writer: flight.FlightMetadataWriter,
    ) -> None:
        """Store one upload."""
        durable, read = 0, 0
        pending: Future[int] | None = None
        with self._open_store() as store, ThreadPoolExecutor(1) as stores:
            for chunk in reader:
                columns = calculate(self._reader.batch(chunk.data), self._reference)
                if pending is not None:
                    durable += pending.result()
                    writer.write(str(durable).encode())
                pending = stores.submit(_stored, store, read, columns)
                read += chunk.data.num_rows
            if pending is not None:
                writer.write(str(durable + pending.result()).encode())


def _stored(store: Store, offset: int, columns: Columns) -> int:
    store(offset, columns)
    return len(columns["period"])


class Reader:
    """From record batches to columns; texts come as dictionaries."""

    def __init__(self, reference: Reference) -> None:
        self._suppliers, self._units, self._keys = map(_places, (reference.suppliers, reference.units, reference.keys))

    def batch(self, data: pa.RecordBatch) -> Batch:
        """Return the activities."""
        return Batch(
            supplier=_positions(data["supplier"], self._suppliers).astype(np.int32),
            category=data["category"].to_numpy(),
            period=data["period"].cast(pa.int32()).to_numpy(),
            quantity=data["quantity"].to_numpy(),
            unit=_positions(data["unit"], self._units).astype(np.int16),
            key=_positions(data["factor"], self._keys).astype(np.int16),
            scores=np.stack([data[name].to_numpy() for name in SCORES], axis=1),
            distance=data["distance"].fill_null(1.0).to_numpy(),
            own_factor=data["supplier_factor"].fill_null(1.0).to_numpy(),
        )


def _places(texts: Texts) -> dict[str, int]:
    return {text: place for place, text in enumerate(texts.tolist())}


def _positions(column: pa.DictionaryArray, places: dict[str, int]) -> Positions:
    of_entry = np.array([places[text] for text in column.dictionary.to_pylist()], np.int64)
    index: Positions = column.indices.to_numpy()
    return of_entry[index]
