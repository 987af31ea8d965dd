"""One emission out of a segment, as it is stored, and as an activity to calculate again."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vcci_engine.activities import Activities, InputColumn
from vcci_engine.inputs import spread
from vcci_engine.quality import unpack
from vcci_engine.segment_codec import COLUMNS, Segment, decode, decode_inputs, decode_string
from vcci_engine.suppliers import Suppliers


@dataclass(frozen=True, slots=True)
class StoredEmission:
    """The values of one row."""

    supplier_id: int
    category: int
    method: int
    period: int  # days since 1970-01-01
    quantity: float
    unit: str
    factor_id: int  # 0: the supplier's own, or reported emissions
    quality: int  # as on the wire, five hexadecimal digits
    kg_co2e: float
    sigma: np.float32
    notices: int
    group: str
    reference: str
    inputs: Mapping[str, float]


def stored_at(segment: Segment, place: int) -> StoredEmission:
    """Return the emission at a place of a segment; raises ValueError or IndexError where bytes were altered."""
    value = {name: decode(name, segment.columns[name])[place] for name, _ in COLUMNS}
    inputs = decode_inputs(segment.inputs, segment.n)
    given = {name: float(spread(column, segment.n)[place]) for name, column in inputs.items()}
    return StoredEmission(
        supplier_id=int(value["supplier"]),
        category=int(value["category"]),
        method=int(value["method"]),
        period=segment.quarter + int(value["period"]),
        quantity=float(value["quantity"]),
        unit=segment.units[value["unit"]],
        factor_id=int(value["factor"]),
        quality=int(unpack(np.array([value["quality"]]))[0]),
        kg_co2e=float(value["kg_co2e"]),
        sigma=value["sigma"],
        notices=int(value["notices"]),
        group=decode_string(segment.group, segment.n, place),
        reference=decode_string(segment.reference, segment.n, place),
        inputs={name: number for name, number in given.items() if not np.isnan(number)},
    )


def activities_of(stored: StoredEmission, suppliers: Suppliers, factor: str) -> Activities:
    """Return a batch of the one activity, with its supplier, the key of its factor, and the method used as wanted."""
    one = np.zeros(1, np.uint32)
    return Activities(
        suppliers=suppliers,
        units=(stored.unit,),
        factors=(factor,),
        supplier=one,
        category=np.array([stored.category], np.uint32),
        quantity=np.array([stored.quantity]),
        unit=one,
        period=np.array([stored.period], np.int32),
        method=np.array([stored.method], np.uint32),
        factor=one,
        quality=np.array([stored.quality], np.uint32),
        groups=(stored.group,),
        group=one,
        references=(stored.reference,),
        inputs={name: InputColumn(np.array([number])) for name, number in stored.inputs.items()},
    )
