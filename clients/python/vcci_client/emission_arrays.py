"""Stored emissions as they come from the server: arrays of NumPy, with the dictionaries of their stream."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from vcci.v1.emission_service_pb2 import StreamEmissionsResponse

from vcci_client.activities import DayArray, Dictionary, FloatArray, IndexArray, Input

# The dictionaries of a stream, and the columns of indexes into them.
DICTIONARIES = {
    "supplier_codes": "supplier",
    "units": "unit",
    "factors": "factor",
    "groups": "group",
    "uploads": "upload",
    "gwp_sets": "gwp_set",
}


@dataclass(frozen=True, slots=True, eq=False)
class EmissionArrays:
    """N emissions as parallel arrays [N]; what was not asked for, and what no row has, is empty.

    The entries of a dictionary are one list for all arrays of a stream: it grows while the stream goes on.
    """

    rows: int  # N
    supplier: Dictionary  # codes
    category: IndexArray  # 1 to 15
    method: IndexArray  # number of the Method
    period: DayArray  # days since 1970-01-01
    quantity: FloatArray  # as given, in its unit
    unit: Dictionary
    factor: Dictionary  # keys, `source:code`; "": the supplier's own, or none
    quality: IndexArray  # pedigree scores, one hexadecimal digit each, reliability first
    kg_co2e: FloatArray  # the calculated value
    gsd2: npt.NDArray[np.float32]  # squared geometric standard deviation
    notices: IndexArray  # bit n: the Notice n
    upload: Dictionary  # `uploads/{upload}`
    row: IndexArray  # number within the upload
    group: Dictionary
    references: Sequence[str]
    inputs: Mapping[str, Input]
    gwp_set: Dictionary  # that kg_co2e is under; "": unknown
    gases: Mapping[str, Input]  # kg by gas


class EmissionDecoder:
    """Reads the responses of a stream, in their order."""

    def __init__(self) -> None:
        self._entries: dict[str, list[str]] = {}

    def decode(self, response: StreamEmissionsResponse) -> EmissionArrays:
        """Return the emissions of the next response."""
        message = response.emissions
        if response.new_dictionaries:
            self._entries = {name: [] for name in DICTIONARIES}
        for name, entries in self._entries.items():
            entries.extend(getattr(message, name))
        texts = {
            column: Dictionary(self._entries[name], np.asarray(getattr(message, column)))
            for name, column in DICTIONARIES.items()
        }
        return EmissionArrays(
            rows=message.rows,
            category=np.asarray(message.category),
            method=np.asarray(message.method),
            period=np.asarray(message.period),
            quantity=np.asarray(message.quantity),
            quality=np.asarray(message.quality),
            kg_co2e=np.asarray(message.kg_co2e),
            gsd2=np.asarray(message.gsd2),
            notices=np.asarray(message.notices),
            row=np.asarray(message.row),
            references=message.references,
            inputs={column.name: _input(column.value, column.row) for column in message.inputs},
            gases={column.gas: _input(column.kg, column.row) for column in message.gases},
            **texts,
        )


def _input(values: Iterable[float], rows: Sequence[int]) -> Input:
    return Input(np.asarray(values), np.asarray(rows) if rows else None)
