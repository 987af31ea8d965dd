"""Emissions as they come from the server, as Arrow record batches."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from vcci.v1.activity_pb2 import Method
from vcci.v1.emission_pb2 import EmissionColumns, Notice

from vcci_client.fields import SCORES

_TEXT = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [
        ("upload", _TEXT),
        ("row", pa.uint32()),
        ("supplier_code", _TEXT),
        ("category", pa.uint8()),
        ("method", _TEXT),
        ("reporting_period", pa.date32()),
        ("quantity", pa.float64()),
        ("unit", _TEXT),
        ("factor", _TEXT),
        *((score, pa.uint8()) for score in SCORES),
        ("group", _TEXT),
        ("reference", pa.string()),
        ("inputs", pa.map_(pa.string(), pa.float64())),
        ("kg_co2e", pa.float64()),
        ("kg_co2e_low", pa.float64()),
        ("kg_co2e_high", pa.float64()),
        ("notices", pa.string()),
        ("gwp_set", _TEXT),
        ("gases", pa.map_(pa.string(), pa.float64())),
    ]
)

_METHODS = [Method.Name(number).removeprefix("METHOD_").lower() for number in sorted(Method.values())]


def to_arrow(columns: EmissionColumns) -> pa.RecordBatch:
    """Return emissions as a record batch of SCHEMA; what the server did not send is null."""
    rows = columns.rows
    kg_co2e, gsd2 = np.asarray(columns.kg_co2e), np.asarray(columns.gsd2, np.float64)
    found: dict[str, Any] = {
        "upload": _texts(columns.uploads, columns.upload),
        "row": np.asarray(columns.row, np.uint32),
        "supplier_code": _texts(columns.supplier_codes, columns.supplier),
        "category": np.asarray(columns.category, np.uint8),
        "method": _texts(_METHODS, columns.method),
        "reporting_period": pa.array(np.asarray(columns.period, np.int32)).cast(pa.date32()),
        "quantity": np.asarray(columns.quantity),
        "unit": _texts(columns.units, columns.unit),
        "factor": _texts(columns.factors, columns.factor),
        **_scores(np.asarray(columns.quality, np.uint32)),
        "group": _texts(columns.groups, columns.group),
        "reference": pa.array(columns.references, pa.string()),
        "inputs": _inputs(columns) if columns.inputs else [],
        "kg_co2e": kg_co2e,
        "kg_co2e_low": kg_co2e / gsd2 if len(gsd2) == len(kg_co2e) else [],
        "kg_co2e_high": kg_co2e * gsd2 if len(gsd2) == len(kg_co2e) else [],
        "notices": _notices(np.asarray(columns.notices, np.uint32)),
        "gwp_set": _texts(columns.gwp_sets, columns.gwp_set),
        "gases": _gases(columns) if columns.gases else [],
    }
    arrays = [_column(found[field.name], field.type, rows) for field in SCHEMA]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def _column(values: Any, kind: pa.DataType, rows: int) -> pa.Array:
    if len(values) != rows:
        return pa.nulls(rows, kind)
    return values if isinstance(values, pa.Array) else pa.array(values, kind)


def _texts(entries: Sequence[str], index: Sequence[int]) -> pa.Array:
    numbers = pa.array(np.asarray(index, np.int32))
    return pa.DictionaryArray.from_arrays(numbers, pa.array(list(entries), pa.string()))


def _scores(quality: np.ndarray[Any, np.dtype[np.uint32]]) -> dict[str, Any]:
    return {
        name: (quality >> np.uint32(shift) & np.uint32(15)).astype(np.uint8)
        for name, shift in zip(SCORES, (16, 12, 8, 4, 0), strict=True)
    }


def _inputs(columns: EmissionColumns) -> list[list[tuple[str, float]]]:
    found: list[list[tuple[str, float]]] = [[] for _ in range(columns.rows)]
    for column in columns.inputs:
        for row, value in zip(column.row or range(columns.rows), column.value, strict=True):
            found[row].append((column.name, value))
    return found


def _gases(columns: EmissionColumns) -> pa.Array:
    """Return kg by gas of each row; there are too many of them to go row by row."""
    rows = [np.asarray(of.row, np.int64) if of.row else np.arange(columns.rows) for of in columns.gases]
    order = np.argsort(np.concatenate(rows), kind="stable")
    starts = np.searchsorted(np.concatenate(rows)[order], np.arange(columns.rows + 1))
    gas = np.repeat(np.arange(len(rows)), [len(each) for each in rows])[order]
    kg = np.concatenate([np.asarray(of.kg) for of in columns.gases])[order]
    names = pa.array([of.gas for of in columns.gases], pa.string())
    return pa.MapArray.from_arrays(pa.array(starts, pa.int32()), names.take(pa.array(gas)), pa.array(kg))


def _notices(bits: np.ndarray[Any, np.dtype[np.uint32]]) -> pa.Array:
    different, index = np.unique(bits, return_inverse=True)
    return pa.array([_named(int(value)) for value in different], pa.string()).take(pa.array(index))


def _named(bits: int) -> str:
    return " ".join(
        name.removeprefix("NOTICE_").lower() for name, number in Notice.items() if number and bits >> number & 1
    )
