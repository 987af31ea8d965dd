"""Emissions as they come from the server, as Arrow record batches."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from vcci.v1.activity_pb2 import Method
from vcci.v1.emission_pb2 import Notice

from vcci_client.activities import Dictionary, Input
from vcci_client.emission_arrays import EmissionArrays
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


def to_arrow(emissions: EmissionArrays) -> pa.RecordBatch:
    """Return emissions as a record batch of SCHEMA; what the server did not send is null."""
    rows = emissions.rows
    kg_co2e, gsd2 = emissions.kg_co2e, emissions.gsd2.astype(np.float64)
    found: dict[str, Any] = {
        "upload": _texts(emissions.upload),
        "row": emissions.row,
        "supplier_code": _texts(emissions.supplier),
        "category": emissions.category.astype(np.uint8),
        "method": _texts(Dictionary(_METHODS, emissions.method)),
        "reporting_period": pa.array(emissions.period).cast(pa.date32()),
        "quantity": emissions.quantity,
        "unit": _texts(emissions.unit),
        "factor": _texts(emissions.factor),
        **_scores(emissions.quality),
        "group": _texts(emissions.group),
        "reference": pa.array(emissions.references, pa.string()),
        "inputs": _maps(emissions.inputs, rows) if emissions.inputs else [],
        "kg_co2e": kg_co2e,
        "kg_co2e_low": kg_co2e / gsd2 if len(gsd2) == len(kg_co2e) else [],
        "kg_co2e_high": kg_co2e * gsd2 if len(gsd2) == len(kg_co2e) else [],
        "notices": _notices(emissions.notices),
        "gwp_set": _texts(emissions.gwp_set),
        "gases": _maps(emissions.gases, rows) if emissions.gases else [],
    }
    arrays = [_column(found[field.name], field.type, rows) for field in SCHEMA]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def _column(values: Any, kind: pa.DataType, rows: int) -> pa.Array:
    if len(values) != rows:
        return pa.nulls(rows, kind)
    return values if isinstance(values, pa.Array) else pa.array(values, kind)


def _texts(texts: Dictionary) -> pa.Array:
    """Return texts with the entries that these rows use: those of a stream are many."""
    used, index = np.unique(texts.index, return_inverse=True)
    entries = pa.array([texts.entries[entry] for entry in used.tolist()], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(index.astype(np.int32)), entries)


def _scores(quality: np.ndarray[Any, np.dtype[np.uint32]]) -> dict[str, Any]:
    return {
        name: (quality >> np.uint32(shift) & np.uint32(15)).astype(np.uint8)
        for name, shift in zip(SCORES, (16, 12, 8, 4, 0), strict=True)
    }


def _maps(columns: Mapping[str, Input], n: int) -> pa.Array:
    """Return what each row has, by name; there are too many of them to go row by row."""
    rows = [np.arange(n) if column.rows is None else column.rows.astype(np.int64) for column in columns.values()]
    order = np.argsort(np.concatenate(rows), kind="stable")
    starts = np.searchsorted(np.concatenate(rows)[order], np.arange(n + 1))
    name = np.repeat(np.arange(len(rows)), [len(each) for each in rows])[order]
    values = np.concatenate([column.values for column in columns.values()])[order]
    return pa.MapArray.from_arrays(
        pa.array(starts, pa.int32()), pa.array([*columns], pa.string()).take(pa.array(name)), pa.array(values)
    )


def _notices(bits: np.ndarray[Any, np.dtype[np.uint32]]) -> pa.Array:
    different, index = np.unique(bits, return_inverse=True)
    return pa.array([_named(int(value)) for value in different], pa.string()).take(pa.array(index))


def _named(bits: int) -> str:
    return " ".join(
        name.removeprefix("NOTICE_").lower() for name, number in Notice.items() if number and bits >> number & 1
    )
