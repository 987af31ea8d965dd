"""A factor set as arrays with an index; F is the number of factors."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vcci_engine.activities import FloatArray, IndexArray


@dataclass(frozen=True, slots=True)
class FactorTable:
    """An immutable factor set, sorted by key, region and year, picklable.

    `index` maps a key `source:code` to the range [start, stop) of its factors (one per region and year).
    """

    set_id: int
    content_hash: str
    id: IndexArray  # emission_factors.id
    key: tuple[str, ...]
    region: tuple[str, ...]  # ISO 3166-1 alpha-2; "" is the whole world
    year: npt.NDArray[np.int32]
    unit: tuple[str, ...]
    kg_co2e: FloatArray  # kg CO2e per unit
    sigma2: FloatArray  # variance of ln(factor): (ln(GSD2) / 2) ** 2
    index: Mapping[str, tuple[int, int]]

    def __len__(self) -> int:
        return len(self.id)
