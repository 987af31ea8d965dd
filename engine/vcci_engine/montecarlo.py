"""Monte Carlo of sums of log-normal rows: the same bits however rows are split over works, workers and machines.

Draw d of a row is m x e x F. m is its calculated value (the median); e = exp(s z), s the row's own sigma (pedigree; of
a supplier's own factor its basic uncertainty too); F = exp(s z) is its factor's draw, which all its rows share.

Keys. Random bits are those of Philox4x64-10 (Salmon and others, SC 2011) under the key (seed, kind). A row's draw d is
bits 16 (d mod 16) and on of counter (d // 16 + 1, row, upload, 0), kind 0, where row is its number in its upload; a
factor's is word d mod 4 of counter (d // 4 + 1, factor id, 0, 0), kind 1. So a draw depends on nothing but the seed and
whose it is: not on the batch, not on who else is summed, not on how many draws are asked for.

Normals. 16 bits choose one of 65,536 equally likely values, the means of as many slices of the normal distribution:
exp(s z) keeps its mean to 1e-6 and its variance to 1e-4 (s of a row is at most 0.47). A factor's z, whose error does
not average out, is half the sum of four such values.

Exactness. m is an integer of micrograms, in three limbs of 23 bits; e is an integer of 2^-20. So a sum of limb x e over
128 rows is an integer below 2^53, right in any order of adding, and sums of those are int64. Beside that there is only
+, x and rounding of IEEE doubles, in a fixed order: no exp or log of the platform.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import exp, factorial, pi, sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from vcci_engine.activities import FloatArray, IndexArray, Positions
from vcci_engine.quality import VARIANCE
from vcci_engine.totals import UG_PER_KG, LimbArray, carried, limbs_of
from vcci_engine.uncertainty import SIGMA2_BASIC

DRAWS_PER_COUNTER = 16  # a range of draws begins at a multiple of it
LIMBS = 3
LIMB_BITS = 23
FRACTION_BITS = 20  # of a row's multiplier e, which is below 2^3
CHUNK_ROWS = 128  # 2^(23 + 23) x 128 = 2^53
CHUNK_VALUES = 1 << 16  # of one step: 64 rows of 1,000 draws; more or less is slower
CARRY_EVERY = 1 << 9  # chunks: their sums stay below 2^63

ROW, FACTOR = 0, 1  # kinds
STRATA = 1 << 16
TAYLOR = [1 / factorial(n) for n in range(7, -1, -1)]  # of exp; y within 0.26: 1e-9
ROW_SQUARINGS, FACTOR_SQUARINGS = 3, 8  # of exp(y): s z is within 2.1 and 60


@dataclass(frozen=True, slots=True)
class Rows:
    """N rows to be summed: whose random numbers they have, what they are, and the cell that each is added to."""

    upload: npt.NDArray[np.int64]
    row: IndexArray
    kg_co2e: FloatArray
    sigma: FloatArray  # without the factor's part: `own_sigma`
    cell: Positions

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, slots=True)
class Draws:
    """A range of draws: `count` from `first` on, a multiple of DRAWS_PER_COUNTER, under a seed of 64 bits."""

    first: int
    count: int
    seed: int = 0


def own_sigma(quality: npt.NDArray[np.uint16], factor: IndexArray) -> FloatArray:
    """Return the sigma of rows without their factors' part; factor 0 is the supplier's own, which no rows share."""
    sigma: FloatArray = np.sqrt(VARIANCE.take(quality) + np.where(factor == 0, SIGMA2_BASIC, 0.0))
    return sigma


def cell_sums(rows: Rows, n_cells: int, draws: Draws) -> LimbArray:
    """Return the sums of m x e by cell, exact, [n_cells, LIMBS, draws], in 2^-20 micrograms; the factors' part is out.

    Sums of other rows are added with `add_sums`.
    """
    sums = np.zeros((n_cells, LIMBS, draws.count), np.int64)
    order = np.argsort(rows.cell, kind="stable")
    step = max(1, min(CHUNK_ROWS, CHUNK_VALUES // draws.count))
    for number, start in enumerate(range(0, len(rows), step)):
        _add_chunk(sums, rows, order[start : start + step], draws)
        if number % CARRY_EVERY == CARRY_EVERY - 1:
            sums = carried(sums, LIMB_BITS)
    return carried(sums, LIMB_BITS)


def add_sums(sums: LimbArray, cells: Positions, more: LimbArray) -> None:
    """Add sums of some cells, each once, to those of all, in place."""
    sums[cells] = carried(sums[cells] + more, LIMB_BITS)


def summed(sums: LimbArray, cells: Positions) -> LimbArray:
    """Return the sum of some cells, [LIMBS, draws]."""
    total: LimbArray = carried(sums[cells].sum(axis=0)[None], LIMB_BITS)[0]
    return total


def kg_of(sums: LimbArray) -> FloatArray:
    """Return sums [..., LIMBS, draws] as kg [..., draws]."""
    unit = 2.0**-FRACTION_BITS / UG_PER_KG
    high, middle, low = (sums[..., place, :].astype(np.float64) for place in range(LIMBS))
    kg: FloatArray = ((high * 2.0**LIMB_BITS + middle) * 2.0**LIMB_BITS + low) * unit
    return kg


def factor_draws(factor_id: int, sigma2: float, draws: Draws) -> FloatArray:
    """Return the draws of exp(s z) of a factor; 1 of factor 0, whose spread is in the rows."""
    if factor_id == 0:
        return np.ones(draws.count)
    words = next(_words(FACTOR, draws.seed, [(factor_id, 0)], draws.first // 4, draws.count))
    z = _normals().take(words.view(np.uint16)).reshape(draws.count, 4)
    half_sum = (z[:, 0] + z[:, 1] + z[:, 2] + z[:, 3]) / 2
    return _exp(half_sum * (sqrt(sigma2) * 2.0**-FACTOR_SQUARINGS), FACTOR_SQUARINGS)


def _add_chunk(sums: LimbArray, rows: Rows, chosen: Positions, draws: Draws) -> None:
    """Add rows sorted by cell."""
    multipliers = _multipliers(rows, chosen, draws)
    limbs = np.stack(limbs_of(rows.kg_co2e[chosen] * UG_PER_KG, LIMB_BITS, LIMBS)).astype(np.float64)
    cell = rows.cell[chosen]
    bounds = [0, *(np.flatnonzero(np.diff(cell)) + 1).tolist(), len(cell)]
    for start, stop in pairwise(bounds):
        sums[cell[start]] += (limbs[:, start:stop] @ multipliers[start:stop]).astype(np.int64)


def _multipliers(rows: Rows, chosen: Positions, draws: Draws) -> FloatArray:
    """Return e of rows in units of 2^-20, [rows, draws]."""
    identities = zip(rows.row[chosen].tolist(), rows.upload[chosen].tolist(), strict=True)
    z = np.empty((len(chosen), draws.count))
    count = -(-draws.count // 4)
    for place, words in enumerate(_words(ROW, draws.seed, identities, draws.first // DRAWS_PER_COUNTER, count)):
        _normals().take(words.view(np.uint16)[: draws.count], out=z[place], mode="clip")
    z *= rows.sigma[chosen, None] * 2.0**-ROW_SQUARINGS
    e = _exp(z, ROW_SQUARINGS)
    e *= 2.0**FRACTION_BITS
    return np.rint(e, out=e)


def _words(
    kind: int, seed: int, identities: Iterable[tuple[int, int]], first: int, count: int
) -> Iterator[npt.NDArray[np.uint64]]:
    """Yield `count` words of 64 bits for each identity, those behind its counter `first`; little-endian."""
    generator = np.random.Philox(key=np.array([seed, kind], np.uint64))
    state = generator.state  # its buffer is empty
    counter = state["state"]["counter"]
    counter[0] = first
    for counter[1], counter[2] in identities:
        generator.state = state
        yield generator.random_raw(count).astype("<u8", copy=False)


def _exp(y: FloatArray, squarings: int) -> FloatArray:
    """Return exp(y 2^squarings): exp(y) by its Taylor polynomial, squared; the same bits on every processor."""
    result = np.full_like(y, TAYLOR[0])
    for coefficient in TAYLOR[1:]:
        result *= y
        result += coefficient
    for _ in range(squarings):
        result *= result
    return result


@lru_cache(1)
def _normals() -> FloatArray:
    """Return the means of the slices of the normal distribution between its quantiles k / 65536.

    Rounded to 2^-32: further digits may differ between platforms.
    """
    quantile = NormalDist().inv_cdf
    density = [0.0, *(exp(-(quantile(k / STRATA) ** 2) / 2) / sqrt(2 * pi) for k in range(1, STRATA // 2 + 1))]
    lower = [(before - behind) * STRATA for before, behind in pairwise(density)]
    return np.rint(np.array([*lower, *(-z for z in reversed(lower))]) * 2.0**32) * 2.0**-32
