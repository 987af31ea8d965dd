"""Data quality: five pedigree scores of an activity, 1 (best) to 5 (worst); 0 is unknown and counts as 5.

On the wire a row's scores are five hexadecimal digits (0x12345), in memory and in the store five groups of three bits;
reliability comes first in both.
"""

from math import log

import numpy as np
import numpy.typing as npt

from vcci_engine.activities import FloatArray, IndexArray

SCORES = ("reliability", "completeness", "temporal", "geographical", "technological")
WORST = 5
INVALID = 0xFFFF

# Squared geometric standard deviations of the scores 1 to 5, in the order of SCORES: the pedigree matrix of ecoinvent 2
# (report no. 1, Overview and Methodology, 2007).
GSD2_OF_SCORE = (
    (1.0, 1.05, 1.10, 1.20, 1.50),
    (1.0, 1.02, 1.05, 1.10, 1.20),
    (1.0, 1.03, 1.10, 1.20, 1.50),
    (1.0, 1.01, 1.02, 1.02, 1.10),
    (1.0, 1.0, 1.20, 1.50, 2.00),
)


def pack(wire: IndexArray) -> npt.NDArray[np.uint16]:
    """Return packed scores of wire scores; INVALID where a score is above 5."""
    packed: npt.NDArray[np.uint16] = _PACKED.take(wire.astype(np.intp), mode="clip")
    return packed


def unpack(packed: npt.NDArray[np.uint16]) -> IndexArray:
    """Return the wire scores of packed ones."""
    wire: IndexArray = _UNPACKED.take(packed)
    return wire


def scores(wire: int) -> dict[str, int]:
    """Return the scores of one row's wire form by name."""
    return {name: wire >> (4 * place) & 0xF for place, name in enumerate(reversed(SCORES))}


def _packed_table() -> npt.NDArray[np.uint16]:
    """Packed scores by wire form, with one more entry, INVALID, for all wire forms beyond."""
    packed = np.zeros((1,), np.uint16)
    digit = np.arange(16, dtype=np.uint16)
    for _ in SCORES:
        packed = np.where(
            (digit > WORST) | (packed[:, None] == INVALID), np.uint16(INVALID), packed[:, None] << 3 | digit
        ).ravel()
    return np.append(packed, np.uint16(INVALID))


def _unpacked_table() -> IndexArray:
    """Wire forms by packed form, of all that 16 bits can hold."""
    packed = np.arange(INVALID + 1, dtype=np.uint32)
    wire = np.zeros(len(packed), np.uint32)
    for place in range(len(SCORES)):
        wire |= (packed >> np.uint32(3 * place) & np.uint32(7)) << np.uint32(4 * place)
    return wire


def _variance_table() -> FloatArray:
    """Sum of (ln U / 2)^2 over the five scores, by packed form; 6 and 7 are never packed and count as 5."""
    variance = np.zeros(1)
    for of_score in GSD2_OF_SCORE:
        parts = [(log(gsd2) / 2) ** 2 for gsd2 in of_score]
        digits = np.array([parts[-1], *parts, parts[-1], parts[-1]])
        variance = (variance[:, None] + digits).ravel()
    return variance


def _sum_table() -> npt.NDArray[np.uint8]:
    """Sum of the five scores, by packed form."""
    total = np.zeros(1, np.uint8)
    digits = np.array([WORST, *range(1, WORST + 1), WORST, WORST], np.uint8)
    for _ in SCORES:
        total = (total[:, None] + digits).ravel()
    return total


_PACKED = _packed_table()
_UNPACKED = _unpacked_table()
VARIANCE: FloatArray = _variance_table()  # of ln(amount), by packed scores
MEAN_SCORE: FloatArray = _sum_table() / len(SCORES)  # by packed scores, 1 (best) to 5
GRADE: npt.NDArray[np.uint8] = np.floor(MEAN_SCORE + 0.5).astype(np.uint8)  # the mean as a whole number, halves up
