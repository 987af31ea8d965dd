"""The registry of methods and of their inputs: a new method is one declaration and its number in the contract."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from vcci_engine.methods import (
    average_data,
    commuting,
    energy,
    hybrid,
    investments,
    leased,
    pcaf,
    sold_products,
    spend_based,
    supplier_specific,
    transport,
    waste,
)
from vcci_engine.methods.method import Data, Input, Method
from vcci_engine.methods.multipliers import DEDUCTIONS, DIVISORS, GENERAL, MULTIPLIERS, RATIOS, TOLD
from vcci_engine.methods.supplier_specific import SUPPLIER_FACTOR
from vcci_engine.results import Notice

__all__ = [
    "BEST_FIRST",
    "CATEGORIES",
    "CONSTANT",
    "DEDUCTIONS",
    "DIVISORS",
    "DOWNGRADE_BITS",
    "GENERAL",
    "INPUTS",
    "METHODS",
    "MULTIPLIERS",
    "NEEDS",
    "RATIOS",
    "SUPPLIER_FACTOR",
    "TOLD",
    "USED",
    "VERSION",
    "Data",
    "Input",
    "Method",
]

CATEGORIES = 15

# The methods of every category, best data first: what an activity that wants none is calculated with.
BEST_FIRST = (supplier_specific.METHOD, average_data.METHOD, spend_based.METHOD)

# Numbered from 1 without a gap.
METHODS: tuple[Method, ...] = (
    *BEST_FIRST,
    *hybrid.METHODS,
    *energy.METHODS,
    *transport.METHODS,
    *waste.METHODS,
    *commuting.METHODS,
    *leased.METHODS,
    *sold_products.METHODS,
    *investments.METHODS,
    *pcaf.METHODS,
)

_ALL_INPUTS = (SUPPLIER_FACTOR, *MULTIPLIERS, *(known for whole in DIVISORS for known in whole), *DEDUCTIONS, *TOLD)
INPUTS: Mapping[str, Input] = {known.name: known for known in _ALL_INPUTS}

# Of the registry: stored with results. A method whose formula changes gets the next number as its own version, so
# results of a registry whose version is not below it are made by today's formula.
VERSION = max(method.version for method in METHODS)

# What is told when the method wanted (first) was not possible and another (second) was used; with none wanted the best
# is, which is supplier-specific.
DOWNGRADES = {
    (1, 2): Notice.AVERAGE_DATA_INSTEAD_OF_SUPPLIER_SPECIFIC,
    (1, 3): Notice.SPEND_BASED_INSTEAD_OF_SUPPLIER_SPECIFIC,
    (2, 3): Notice.SPEND_BASED_INSTEAD_OF_AVERAGE_DATA,
}


def choose(wanted: int, category: int, data: Data) -> int:
    """Return the number of the method for a row that has `data`; 0 when there is none.

    `wanted` 0 is the best. Of the first three a lower one may take the wanted one's place, of the others none.
    """
    candidates = BEST_FIRST[max(wanted - 1, 0) :] if wanted <= len(BEST_FIRST) else (METHODS[wanted - 1],)
    fit = (method.number for method in candidates if method.needs & data and category in method.categories)
    return next(fit, 0)


def _used_table() -> npt.NDArray[np.uint8]:
    wanted, categories, data = range(len(METHODS) + 1), range(CATEGORIES + 1), range(2 ** len(Data))
    chosen = [[[choose(w, category, Data(has)) for has in data] for category in categories] for w in wanted]
    return np.array(chosen, np.uint8)


def _notice_table() -> npt.NDArray[np.uint16]:
    notices = np.zeros((len(METHODS) + 1, len(METHODS) + 1), np.uint16)
    for pair, notice in DOWNGRADES.items():
        notices[pair] = 1 << notice
    notices[0] = notices[BEST_FIRST[0].number]
    return notices


USED = _used_table()  # number of the method by [method wanted, category, data]; 0: none is possible
DOWNGRADE_BITS = _notice_table()  # by [method wanted, 0 the best, method used]
NEEDS = np.array([0, *(method.needs for method in METHODS)], np.uint8)  # by method used
CONSTANT = np.array([1.0, *(method.constant for method in METHODS)])  # by method used
