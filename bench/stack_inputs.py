"""The rows of the benchmarks as the files that peers in environments of their own read."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path

import numpy as np
import numpy.typing as npt
from vcci_client.activities import Activities, Dictionary, Input
from vcci_engine.quality import GSD2_OF_SCORE, WORST

from bench.dataset import COUNTRIES, FIRST_YEAR
from bench.prepared import prepare, starter_table
from bench.sizes import Sizes
from bench.stacks.calculation import Batch, FloatArray, Reference, Texts, save

BEST_SCORES = 0x11111  # of no uncertainty, so that a row's sigma is the factor's
SHIFTS = (16, 12, 8, 4, 0)


@dataclass(frozen=True, slots=True)
class Files:
    """What is known beforehand, a file for each batch, and few rows for a slow peer."""

    reference: Path
    batches: list[Path]
    few: list[Path]


def write(folder: Path, batches: Sequence[Activities], sizes: Sizes) -> Files:
    """Write the files."""
    known = reference(batches, sizes)
    save(reference_path := folder / "reference.npz", known)
    few = batches[0].slice(0, sizes.slow_peer_rows)
    paths = [folder / f"batch_{number}.npz" for number in range(len(batches))]
    for path, batch in zip([*paths, folder / "few.npz"], [*batches, few], strict=True):
        save(path, of_activities(batch, known))
    return Files(reference_path, paths, [folder / "few.npz"])


def of_activities(batch: Activities, known: Reference) -> Batch:
    """Return a batch in terms of the reference."""
    assert batch.factor is not None
    assert batch.quality is not None
    supplier = np.array([int(code[1:]) for code in batch.supplier.entries], np.int32)
    return Batch(
        supplier=supplier[batch.supplier.index],
        category=batch.category.astype(np.int16),
        period=batch.period,
        quantity=batch.quantity,
        unit=_positions(batch.unit, known.units),
        key=_positions(batch.factor, known.keys),
        scores=np.stack([batch.quality >> np.uint32(shift) & 15 for shift in SHIFTS], axis=1).astype(np.uint8),
        distance=_dense(batch.inputs["distance"], len(batch)),
        own_factor=_dense(batch.inputs["supplier_factor"], len(batch)),
    )


def reference(batches: Sequence[Activities], sizes: Sizes) -> Reference:
    """Return what peers know: the engine itself says what one unit of each key is in each country and year."""
    keys, units = _entries(batches)
    years = range(FIRST_YEAR, FIRST_YEAR + -(-sizes.quarters // 4))
    shape = len(keys), len(COUNTRIES), len(years)
    emissions = prepare(_one_of_each(batches, keys, years), starter_table()).emissions
    code = np.arange(sizes.suppliers)
    return Reference(
        suppliers=np.array([f"S{number:06}" for number in code]),
        country=code % len(COUNTRIES),
        units=np.array(units),
        keys=np.array(keys),
        first_year=FIRST_YEAR,
        factor=emissions.factor.astype(np.int32).reshape(shape),
        kg_co2e=emissions.kg_co2e.reshape(shape),
        sigma2=np.square(emissions.sigma.astype(float)).reshape(shape),
        method=emissions.method.astype(np.int16).reshape(shape)[:, 0, 0],
        score_sigma2=np.array([[(log(gsd2) / 2) ** 2 for gsd2 in (of[WORST - 1], *of)] for of in GSD2_OF_SCORE]),
    )


def _entries(batches: Sequence[Activities]) -> tuple[Sequence[str], Sequence[str]]:
    """Return the dictionaries of keys and units, which all batches share."""
    first = batches[0]
    assert first.factor is not None
    return first.factor.entries, first.unit.entries


def _one_of_each(batches: Sequence[Activities], keys: Sequence[str], years: Sequence[int]) -> Activities:
    """Return an activity of one unit for each key, country and year; each in a category and unit that the key has."""
    category, unit = np.zeros(len(keys), np.uint32), np.zeros(len(keys), np.uint32)
    for batch in batches:
        assert batch.factor is not None
        category[batch.factor.index], unit[batch.factor.index] = batch.category, batch.unit.index
    key, country, year = (of.ravel() for of in np.indices((len(keys), len(COUNTRIES), len(years)), np.uint32))
    first_days = np.array([f"{of}-01-01" for of in years], "datetime64[D]").astype(np.int32)
    one = np.ones(len(key))
    units = batches[0].unit.entries
    goes_far = np.array([units[of] == "tonne" for of in unit.tolist()])
    inputs = {"supplier_factor": np.flatnonzero(key == keys.index("")), "distance": np.flatnonzero(goes_far[key])}
    return Activities(
        supplier=Dictionary(tuple(f"S{number:06}" for number in range(len(COUNTRIES))), country),
        countries=COUNTRIES,
        category=category[key],
        period=first_days[year],
        quantity=one,
        unit=Dictionary(units, unit[key]),
        factor=Dictionary(keys, key),
        quality=np.full(len(key), BEST_SCORES, np.uint32),
        inputs={name: Input(one[: len(rows)], rows.astype(np.uint32)) for name, rows in inputs.items()},
    )


def _positions(column: Dictionary, texts: Texts) -> npt.NDArray[np.int16]:
    place = {text: number for number, text in enumerate(texts.tolist())}
    return np.array([place[entry] for entry in column.entries], np.int16)[column.index]


def _dense(column: Input, rows: int) -> FloatArray:
    """Return an input for all rows, 1 where there is none."""
    assert column.rows is not None
    values = np.ones(rows)
    values[column.rows] = column.values
    return values
