"""The same formulas as the service's, in the plain way: tables of factors, and a product for each row.

Peers check nothing, tell nothing about how a factor was found, and know the suppliers beforehand. N is the number of
rows; K keys of factors, C countries, Y years, S suppliers, U units.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Positions = npt.NDArray[np.int64]
Texts = npt.NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Reference:
    """What is known beforehand."""

    suppliers: Texts  # [S], codes
    country: Positions  # [S]
    units: Texts  # [U]
    keys: Texts  # [K]; "": the supplier's own factor
    first_year: int
    factor: npt.NDArray[np.int32]  # [K, C, Y], ids
    kg_co2e: FloatArray  # [K, C, Y], per unit as activities have it, at the prices of the year; 1 of the own factor
    sigma2: FloatArray  # [K, C, Y], variance of ln(factor)
    method: npt.NDArray[np.int16]  # [K]
    score_sigma2: FloatArray  # [5, 6], variance by kind of score and score, 0 is unknown


@dataclass(frozen=True, slots=True)
class Batch:
    """Activities as columns [N]; texts are positions in the reference."""

    supplier: npt.NDArray[np.int32]
    category: npt.NDArray[np.int16]
    period: npt.NDArray[np.int32]  # days since 1970-01-01
    quantity: FloatArray
    unit: npt.NDArray[np.int16]
    key: npt.NDArray[np.int16]
    scores: npt.NDArray[np.uint8]  # [N, 5]
    distance: FloatArray  # km; 1 where none is needed
    own_factor: FloatArray  # kg CO2e per unit; 1 where it is not the supplier's


def calculate(batch: Batch, reference: Reference) -> dict[str, npt.NDArray[Any]]:
    """Return the columns of the rows to store, by the names of bench/row_format.py."""
    year = batch.period.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970 - reference.first_year
    cell = (batch.key, reference.country[batch.supplier], year)
    sigma2 = reference.sigma2[cell]
    quality = np.zeros(len(year), np.int16)
    for kind, of_score in enumerate(reference.score_sigma2):
        score = batch.scores[:, kind]
        sigma2 += of_score[score]
        quality = quality << 3 | score
    return {
        "quantity": batch.quantity,
        "kg_co2e": batch.quantity * batch.distance * batch.own_factor * reference.kg_co2e[cell],
        "supplier": batch.supplier + 1,
        "period": batch.period,
        "factor": reference.factor[cell],
        "sigma": np.sqrt(sigma2),
        "category": batch.category,
        "method": reference.method[batch.key],
        "unit": batch.unit,
        "quality": quality,
        "notices": np.zeros(len(year), np.int16),
    }


def save(path: Path, of: Reference | Batch) -> None:
    """Write the arrays to a file."""
    arrays: dict[str, Any] = {field.name: getattr(of, field.name) for field in fields(of)}
    np.savez(path, **arrays)


def load_reference(path: str) -> Reference:
    """Read what is known beforehand."""
    with np.load(path) as arrays:
        return Reference(**{**arrays, "first_year": int(arrays["first_year"])})


def load_batch(path: str) -> Batch:
    """Read a batch."""
    with np.load(path) as arrays:
        return Batch(**arrays)
