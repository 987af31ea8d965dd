"""The rows of the benchmarks as files, in the columns of docs/files.md."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from vcci_client.activities import Activities, Dictionary, Input
from vcci_client.fields import SCORES


def write_files(batches: Iterable[Activities], folder: Path, name: str) -> tuple[Path, Path]:
    """Write the batches as `name`.csv and `name`.parquet; return both."""
    table = pa.concat_tables(map(_table, batches))
    csv, parquet = folder / f"{name}.csv", folder / f"{name}.parquet"
    pyarrow.csv.write_csv(table, csv)
    pyarrow.parquet.write_table(table, parquet)
    return csv, parquet


def _table(batch: Activities) -> pa.Table:
    assert batch.factor is not None
    assert batch.quality is not None
    columns = {
        "supplier_code": _texts(batch.supplier),
        "country": _texts(Dictionary(batch.countries, batch.supplier.index)),
        "category": pa.array(batch.category),
        "reporting_period": pa.array(batch.period).cast(pa.date32()),
        "quantity": pa.array(batch.quantity),
        "unit": _texts(batch.unit),
        "factor": _texts(batch.factor),
    }
    scores = {
        name: pa.array(batch.quality >> np.uint32(shift) & 15)
        for name, shift in zip(SCORES, (16, 12, 8, 4, 0), strict=True)
    }
    return pa.table({**columns, **scores, **{name: _input(of, len(batch)) for name, of in batch.inputs.items()}})


def _texts(column: Dictionary) -> pa.Array:
    return pa.DictionaryArray.from_arrays(column.index.astype(np.int32), list(column.entries)).cast(pa.string())


def _input(column: Input, rows: int) -> pa.Array:
    assert column.rows is not None
    missing = np.ones(rows, np.bool_)
    missing[column.rows] = False
    values = np.zeros(rows)
    values[column.rows] = column.values
    return pa.array(values, mask=missing)
