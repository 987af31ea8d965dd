"""What a calculation returns: emissions as columns, row errors, notices."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vcci_engine.activities import DayArray, FloatArray, IndexArray, InputColumn


class Reason(IntEnum):
    """Why a row was rejected; the numbers of ErrorReason in protos/vcci/v1/error.proto (a test compares them)."""

    REQUIRED_FIELD = 1
    NOT_FINITE = 2
    NEGATIVE = 3
    OUT_OF_RANGE = 4
    UNKNOWN_CATEGORY = 5
    UNKNOWN_METHOD = 6
    UNKNOWN_UNIT = 7
    INCOMPATIBLE_UNIT = 8
    UNKNOWN_FACTOR = 9
    NO_FACTOR_FOR_REGION = 10
    MISSING_INPUT = 11
    UNKNOWN_INPUT = 12
    MALFORMED_VALUE = 13
    SHARES_NOT_WHOLE = 14
    GWP_SET_NOT_POSSIBLE = 15
    NO_EXCHANGE_RATE = 16
    NO_PRICE_INDEX = 17
    AMBIGUOUS_FACTOR = 86


class Notice(IntEnum):
    """What was done otherwise than asked; the numbers of Notice in protos/vcci/v1/emission.proto, bits in a column."""

    AVERAGE_DATA_INSTEAD_OF_SUPPLIER_SPECIFIC = 1
    SPEND_BASED_INSTEAD_OF_SUPPLIER_SPECIFIC = 2
    SPEND_BASED_INSTEAD_OF_AVERAGE_DATA = 3
    WORLD_FACTOR = 4
    EARLIER_FACTOR_YEAR = 5
    LATER_FACTOR_YEAR = 6
    OTHER_REGION_FACTOR = 7
    CURRENCY_CONVERTED = 8
    DEFLATED = 9
    NOT_DEFLATED = 10
    PRICE_BASIS_DIFFERS = 11
    FUEL_CONVERTED = 12
    WIDER_REGION_FACTOR = 13


@dataclass(frozen=True, slots=True)
class RowErrors:
    """E rejected rows, ascending, one error each (the first found); strings as `errors.shown` cuts them."""

    row: IndexArray
    reason: tuple[Reason, ...] = ()
    field: tuple[str, ...] = ()
    value: tuple[str, ...] = ()
    expected: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, slots=True)
class Emissions:
    """Columns of M emissions, in row order, M <= N; dictionaries as in the activities they come from."""

    row: IndexArray  # row number within the batch
    supplier: IndexArray  # index into the batch's suppliers
    category: npt.NDArray[np.uint8]
    method: npt.NDArray[np.uint8]  # Method's number of the method used
    period: DayArray
    quantity: FloatArray
    unit: IndexArray  # index into the batch's units
    factor: IndexArray  # id of the factor in the database; 0: the supplier's own
    quality: npt.NDArray[np.uint16]  # five scores of three bits, reliability in the highest (quality.pack)
    kg_co2e: FloatArray
    sigma: npt.NDArray[np.float32]  # ln of the geometric standard deviation; GSD2 = exp(2 sigma)
    notices: npt.NDArray[np.uint16]  # bit n is Notice n
    amount: FloatArray | None = None  # quantity with its inputs, in the factor's unit; None for stored emissions
    groups: tuple[str, ...] = ()
    group: IndexArray | None = None
    references: tuple[str, ...] = ()  # one per emission, or none
    inputs: dict[str, InputColumn] = field(default_factory=dict)  # rows count emissions here

    def __len__(self) -> int:
        return len(self.row)


class Basis(NamedTuple):
    """What results rest on beside their inputs: under the same they are the same bits."""

    factor_set_id: int
    price_set_id: int = 0  # 0: none was active
    method_version: int = 1  # methods.VERSION


@dataclass(frozen=True, slots=True)
class Calculation:
    """The result of one batch under one factor table."""

    emissions: Emissions
    errors: RowErrors
    basis: Basis
