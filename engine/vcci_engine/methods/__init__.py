"""The registry of methods and of their inputs: a new method is one module and one line in METHODS."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from vcci_engine.methods import average_data, spend_based, supplier_specific
from vcci_engine.methods.method import Data, Input
from vcci_engine.methods.multipliers import MULTIPLIERS
from vcci_engine.methods.supplier_specific import SUPPLIER_FACTOR
from vcci_engine.results import Notice

__all__ = [
    "CATEGORIES",
    "DOWNGRADE_BITS",
    "INPUTS",
    "METHODS",
    "MULTIPLIERS",
    "SUPPLIER_FACTOR",
    "USED",
    "Data",
    "Input",
]

CATEGORIES = 15

# Best data first; numbered from 1 without a gap.
METHODS = (supplier_specific.METHOD, average_data.METHOD, spend_based.METHOD)

INPUTS: Mapping[str, Input] = {known.name: known for known in (SUPPLIER_FACTOR, *MULTIPLIERS)}

# What is told when the method wanted (first) was not possible and another (second) was used.
DOWNGRADES = {
    (1, 2): Notice.AVERAGE_DATA_INSTEAD_OF_SUPPLIER_SPECIFIC,
    (1, 3): Notice.SPEND_BASED_INSTEAD_OF_SUPPLIER_SPECIFIC,
    (2, 3): Notice.SPEND_BASED_INSTEAD_OF_AVERAGE_DATA,
}


def choose(wanted: int, category: int, data: Data) -> int:
    """Return the number of the method for a row that has `data`; 0 when there is none. `wanted` 0 is the best."""
    numbers = [method.number for method in METHODS]
    candidates = METHODS[numbers.index(wanted) if wanted else 0 :]
    fit = (method.number for method in candidates if method.needs in data and category in method.categories)
    return next(fit, 0)


def _used_table() -> npt.NDArray[np.uint8]:
    wanted, categories, data = range(len(METHODS) + 1), range(CATEGORIES + 1), range(2 ** len(Data))
    chosen = [[[choose(w, category, Data(has)) for has in data] for category in categories] for w in wanted]
    return np.array(chosen, np.uint8)


def _notice_table() -> npt.NDArray[np.uint16]:
    notices = np.zeros((len(METHODS) + 1, len(METHODS) + 1), np.uint16)
    for pair, notice in DOWNGRADES.items():
        notices[pair] = 1 << notice
    return notices


USED = _used_table()  # number of the method by [method wanted, category, data]; 0: none is possible
DOWNGRADE_BITS = _notice_table()  # by [method wanted, method used]
