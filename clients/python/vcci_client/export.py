"""Emissions as files: Parquet or CSV, written as they come."""

from collections.abc import AsyncIterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from vcci.v1.emission_pb2 import EmissionFilter
from vcci.v1.emission_service_pb2 import EmissionColumn

from vcci_client.emission_arrays import EmissionArrays
from vcci_client.emissions import SCHEMA, to_arrow
from vcci_client.errors import FileProblem
from vcci_client.services.emissions import Emissions

ROWS_PER_GROUP = 128 * 1024  # of a Parquet file: small groups read slowly
PARQUET = (".parquet", ".pq")
COLUMNS = frozenset(EmissionColumn.values()) - {EmissionColumn.EMISSION_COLUMN_UNSPECIFIED}


async def export_emissions(
    client: Emissions, path: Path, emission_filter: EmissionFilter, *, gwp_set: str = "", gases: bool = False
) -> int:
    """Write the emissions of a filter; return how many there are. The file appears when it is complete.

    They are under `gwp_set` where their factors can give it, as the column of that name says; `gases` are left out
    unless asked for.
    """
    if path.suffix.lower() not in (*PARQUET, ".csv"):
        raise FileProblem(f"{path.name} should end with .parquet or .csv")
    partial = path.with_name(f"{path.name}.part")
    columns = COLUMNS if gases else COLUMNS - {EmissionColumn.EMISSION_COLUMN_GASES}
    emissions = client.stream_emissions(emission_filter, sorted(columns), gwp_set=gwp_set)
    try:
        rows = await _write(emissions, partial, parquet=path.suffix.lower() in PARQUET)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return rows


async def _write(emissions: AsyncIterator[EmissionArrays], path: Path, *, parquet: bool) -> int:
    rows = 0
    waiting: list[pa.RecordBatch] = []
    with pa.parquet.ParquetWriter(path, SCHEMA) if parquet else pa.csv.CSVWriter(path, FLAT_SCHEMA) as writer:
        async for arrays in emissions:
            batch = to_arrow(arrays)
            waiting.append(batch if parquet else flat(batch))
            rows += batch.num_rows
            if sum(each.num_rows for each in waiting) >= ROWS_PER_GROUP:
                _flush(writer, waiting)
        _flush(writer, waiting)
    return rows


def _flush(writer: pa.parquet.ParquetWriter | pa.csv.CSVWriter, waiting: list[pa.RecordBatch]) -> None:
    if waiting:
        writer.write_table(pa.Table.from_batches(waiting).unify_dictionaries())
        waiting.clear()


def _flat_type(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_dictionary(kind) or pa.types.is_map(kind) else kind


FLAT_SCHEMA = pa.schema([(field.name, _flat_type(field.type)) for field in SCHEMA])


def flat(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch of SCHEMA as CSV can hold it: inputs as `distance=420 share=0.5`, gases likewise."""
    columns = {name: batch.column(name) for name in batch.schema.names}
    for name in ("inputs", "gases"):
        columns[name] = pa.array([_numbers(named) for named in columns[name].to_pylist()], pa.string())
    return pa.RecordBatch.from_arrays(
        [pc.cast(columns[field.name], field.type) for field in FLAT_SCHEMA], FLAT_SCHEMA.names
    )


def _numbers(named: list[tuple[str, float]] | None) -> str | None:
    return " ".join(f"{name}={value!r}" for name, value in named) if named else None
