"""Activities to measure with: deterministic, mixed as a large company's are, made one batch at a time.

A fifth of the suppliers has four fifths of the rows, quarters come in no order, and each row has its country's or the
world's factor.
"""

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt
from vcci_client.activities import Activities, DayArray, Dictionary, FloatArray, IndexArray, Input

from bench.sizes import Sizes

Choice = npt.NDArray[np.int64]  # number of the kind, by row

SEED = 20_260_101
FIRST_YEAR = 2021
PARETO = 7  # 0.2 ** (1 / 7) = 0.8
COUNTRIES = ("US", "CN", "DE", "JP", "GB", "FR", "IN", "IT", "KR", "ES", "NL", "PL", "MX", "BR", "SE", "TR")


class Order(StrEnum):
    """The order of a file's rows; it decides how many suppliers a batch has."""

    BY_SUPPLIER = "by supplier"
    NONE = "in no order"


@dataclass(frozen=True, slots=True)
class Kind:
    """Rows of one category: `share` of all, with factors of one source and unit of the starter set."""

    share: float
    category: int
    unit: str
    quantity: float  # median
    source: str = ""  # "": the supplier's own factor
    factor_unit: str = ""
    method: int = 0  # number; 0: the best that the data allows
    inputs: Mapping[str, float] = field(default_factory=dict)  # median of `distance`, most of the others


REPORTED = "kg CO2e"  # a unit of emissions: no factor is needed


SPEND = Kind(0.40, 1, "USD", 12_000.0, "naics", "USD")
MIXED = (
    SPEND,
    Kind(0.10, 1, "kg", 800.0, "material", "tonne"),
    Kind(0.05, 1, "kg", 2_000.0),
    Kind(0.05, 2, "USD", 90_000.0, "naics", "USD"),
    Kind(0.15, 3, "kWh", 40_000.0, "grid", "kWh"),
    Kind(0.02, 3, "litre", 900.0, "fuel", "litre"),
    Kind(0.10, 4, "tonne", 12.0, "freight", "tonne*km", inputs={"distance": 400.0}),
    Kind(0.05, 9, "tonne*km", 6_000.0, "freight", "tonne*km"),
    Kind(0.04, 5, "kg", 500.0, "waste", "tonne"),
    Kind(0.02, 6, "passenger*km", 1_500.0, "travel", "passenger*km"),
    Kind(0.02, 7, "km", 1_000.0, "travel", "km"),
)
FIFTEEN = (  # all categories, and further methods
    *MIXED,
    Kind(0.03, 8, "kWh", 40_000.0, "grid", "kWh", 25, {"area": 100.0, "total_area": 1_000.0}),
    Kind(0.02, 10, "kWh", 9_000.0, "grid", "kWh", 31),
    Kind(0.03, 11, "item", 500.0, "grid", "kWh", 32, {"uses": 1_000.0, "energy_per_use": 0.5}),
    Kind(0.02, 12, "kg", 500.0, "waste", "tonne", 0, {"share": 0.5}),
    Kind(0.02, 13, "kWh", 30_000.0, "grid", "kWh", 24),
    Kind(0.02, 14, "kWh", 20_000.0, "grid", "kWh", 29),
    Kind(0.03, 15, REPORTED, 9e6, "", "", 42, {"outstanding": 1e6, "evic": 1e8}),
)


def batches(sizes: Sizes, kinds: Sequence[Kind] = MIXED, order: Order = Order.NONE) -> list[Activities]:
    """Return the distinct batches, `batch_rows` each; whoever needs more rows sends them again."""
    return [batch(number, sizes, kinds, order) for number in range(sizes.distinct_batches)]


def batch(number: int, sizes: Sizes, kinds: Sequence[Kind] = MIXED, order: Order = Order.NONE) -> Activities:
    """Return the batch with this number, always the same."""
    rows = sizes.batch_rows
    random = np.random.Generator(np.random.Philox(key=SEED + number))
    shares = np.array([kind.share for kind in kinds])
    kind = random.choice(len(kinds), rows, p=shares / shares.sum())
    supplier = _suppliers(random, number, sizes, order)
    factors = _Factors(kinds)
    units = tuple(dict.fromkeys(kind.unit for kind in kinds))
    return Activities(
        supplier=supplier,
        countries=_countries(supplier.entries),
        category=np.array([kind.category for kind in kinds], np.uint32)[kind],
        period=_days(random, rows, sizes.quarters),
        quantity=np.round(_around(random, np.array([kind.quantity for kind in kinds])[kind]), 2),
        unit=Dictionary(units, np.array([units.index(kind.unit) for kind in kinds], np.uint32)[kind]),
        factor=Dictionary(factors.keys, factors.draw(random, kind)),
        method=np.array([kind.method for kind in kinds], np.uint32)[kind] if any(k.method for k in kinds) else None,
        quality=_quality(random, rows),
        inputs=_inputs(random, kinds, kind),
    )


def _suppliers(random: np.random.Generator, number: int, sizes: Sizes, order: Order) -> Dictionary:
    """Return the suppliers of a batch: by supplier its own part of them, in no order the dictionary of all."""
    drawn = random.random(sizes.batch_rows) ** PARETO
    if order is Order.NONE:
        return Dictionary(_codes(sizes.suppliers), (sizes.suppliers * drawn).astype(np.uint32))
    drawn = (np.sort(drawn) + number) / sizes.distinct_batches
    used, index = np.unique((sizes.suppliers * drawn).astype(np.uint32), return_inverse=True)
    codes = _codes(sizes.suppliers)
    return Dictionary(tuple(codes[code] for code in used.tolist()), index.astype(np.uint32))


@cache
def _codes(suppliers: int) -> tuple[str, ...]:
    return tuple(f"S{number:06}" for number in range(suppliers))


@cache
def _countries(codes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(COUNTRIES[int(code[1:]) % len(COUNTRIES)] for code in codes)


def _days(random: np.random.Generator, rows: int, quarters: int) -> DayArray:
    months = np.datetime64(f"{FIRST_YEAR}-01") + random.integers(0, 3 * quarters, rows)
    return months.astype("datetime64[D]").astype(np.int32)


def _around(random: np.random.Generator, median: FloatArray) -> FloatArray:
    return median * random.lognormal(0.0, 1.0, len(median))


def _quality(random: np.random.Generator, rows: int) -> IndexArray:
    """Return five scores of 1 to 5, a hexadecimal digit each."""
    packed = np.zeros(rows, np.uint32)
    for shift in (16, 12, 8, 4, 0):
        packed |= random.integers(1, 6, rows, dtype=np.uint32) << np.uint32(shift)
    return packed


def _inputs(random: np.random.Generator, kinds: Sequence[Kind], kind: Choice) -> dict[str, Input]:
    own = [0.0 if kind.source or kind.unit == REPORTED else 1.5 for kind in kinds]
    medians = {"distance": [kind.inputs.get("distance", 0.0) for kind in kinds], "supplier_factor": own}
    inputs = {}
    for name, of_kind in medians.items():
        median = np.array(of_kind)[kind]
        if len(rows := np.flatnonzero(median)):
            inputs[name] = Input(np.round(_around(random, median[rows]), 4), rows.astype(np.uint32))
    for name in sorted({name for kind in kinds for name in kind.inputs} - medians.keys()):
        most = np.array([kind.inputs.get(name, 0.0) for kind in kinds])[kind]
        rows = np.flatnonzero(most)
        inputs[name] = Input(most[rows] * random.uniform(0.5, 1.0, len(rows)), rows.astype(np.uint32))
    return inputs


class _Factors:
    """The keys that the kinds use, and for each kind which of them."""

    def __init__(self, kinds: Sequence[Kind]) -> None:
        starter = _starter_keys()
        of_kind = [starter[kind.source, kind.factor_unit] for kind in kinds]
        self.keys = ["", *sorted({key for keys in of_kind for key in keys if key})]
        self._numbers = [np.array([self.keys.index(key) for key in keys], np.uint32) for keys in of_kind]

    def draw(self, random: np.random.Generator, kind: Choice) -> IndexArray:
        """Return a key for each row."""
        counts = np.array([len(numbers) for numbers in self._numbers])
        first = np.cumsum(counts) - counts
        keys: IndexArray = np.concatenate(self._numbers)[first[kind] + random.integers(0, counts[kind])]
        return keys


@cache
def _starter_keys() -> dict[tuple[str, str], list[str]]:
    """Return the keys that have a factor for every country, by source and unit; and no key, for the supplier's own."""
    text = (files("vcci_server") / "data" / "starter_factors.csv").read_text("utf-8")
    regions: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for line in csv.DictReader(text.splitlines()):
        regions[line["source"], line["unit"], line["code"]].add(line["region"])
    keys: dict[tuple[str, str], list[str]] = defaultdict(list, {("", ""): [""]})
    for (source, unit, code), known in regions.items():
        if "" in known or len(known) == 1 or known.issuperset(COUNTRIES):  # one region is for all
            keys[source, unit].append(f"{source}:{code}")
    return keys
