"""A small factor set, batches of activities from plain rows, and random batches with all kinds of faults."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from vcci_engine.activities import Activities, InputColumn
from vcci_engine.dates import EPOCH
from vcci_engine.factors import FactorTable, build_table
from vcci_engine.prices import NO_PRICES, Prices
from vcci_engine.suppliers import Suppliers

# id, key, region, year, unit, kg CO2e per unit, GSD2
FACTORS: Sequence[tuple[int, str, str, int, str, float, float]] = (
    (11, "material:steel", "", 2023, "kg", 1.9, 1.05),
    (12, "naics:331110", "US", 2022, "USD", 0.75, 1.05),
    (13, "grid:electricity", "", 2021, "kWh", 0.49, 1.05),
    (14, "grid:electricity", "DE", 2020, "kWh", 0.37, 1.05),
    (15, "grid:electricity", "DE", 2023, "kWh", 0.35, 1.05),
    (16, "grid:electricity", "FR", 2022, "kWh", 0.06, 1.05),
    (17, "freight:truck", "", 2022, "tonne*km", 0.105, 2.0),
    (18, "heat:district", "DE", 2022, "MWh", 180.0, 1.05),
    (19, "heat:district", "FR", 2022, "MWh", 110.0, 1.05),
    (20, "storage:ambient", "", 2022, "m3*day", 0.01, 1.05),
    (21, "odd:unit", "", 2022, "no_such_unit", 1.0, 1.05),
)


def table(
    factors: Sequence[tuple[int, str, str, int, str, float, float]] = FACTORS,
    set_id: int = 7,
    *,
    prices: Prices = NO_PRICES,
    price_year: int = 0,
    price_basis: str = "",
    margins: str = "",
) -> FactorTable:
    """Return a factor table; what is said of prices is that of all factors."""
    columns: list[list[Any]] = [list(column) for column in zip(*factors, strict=True)] or [[] for _ in range(7)]
    ids, keys, regions, years, units, kg_co2e, gsd2 = columns
    return build_table(
        *(set_id, "hash"),
        ids=ids,
        keys=keys,
        regions=regions,
        years=years,
        units=units,
        kg_co2e=kg_co2e,
        gsd2=gsd2,
        price_years=[price_year] * len(ids),
        price_bases=[price_basis] * len(ids),
        margins=[margins] * len(ids),
        prices=prices,
    )


TABLE = table()


@dataclass(frozen=True)
class Row:
    """One activity."""

    quantity: float = 1.0
    unit: str = "kg"
    factor: str = "material:steel"
    category: int = 1
    period: str | int = "2023-05-17"
    supplier: str = "S1"
    country: str = ""
    method: int = 0
    quality: int = 0
    group: str = ""
    reference: str = ""
    inputs: Mapping[str, float] = field(default_factory=dict)


def batch(*rows: Row) -> Activities:
    """Return rows as a batch, one dictionary entry per distinct value."""
    suppliers = sorted({(row.supplier, row.country) for row in rows})
    units, factors = sorted({row.unit for row in rows}), sorted({row.factor for row in rows})
    groups = sorted({row.group for row in rows})
    names = sorted({name for row in rows for name in row.inputs})
    return Activities(
        suppliers=Suppliers.of([code for code, _ in suppliers], (), [country for _, country in suppliers]),
        units=tuple(units),
        factors=tuple(factors),
        supplier=np.array([suppliers.index((row.supplier, row.country)) for row in rows], np.uint32),
        category=np.array([row.category for row in rows], np.uint32),
        quantity=np.array([row.quantity for row in rows], np.float64),
        unit=np.array([units.index(row.unit) for row in rows], np.uint32),
        period=np.array([day(row.period) for row in rows], np.int32),
        method=np.array([row.method for row in rows], np.uint32),
        factor=np.array([factors.index(row.factor) for row in rows], np.uint32),
        quality=np.array([row.quality for row in rows], np.uint32),
        groups=tuple(groups),
        group=np.array([groups.index(row.group) for row in rows], np.uint32),
        references=tuple(row.reference for row in rows),
        inputs={name: _input([row.inputs.get(name) for row in rows]) for name in names},
    )


def rows_of(activities: Activities) -> list[Row]:
    """Return a batch as plain rows."""
    n = len(activities)
    inputs = {name: _values(column, n) for name, column in activities.inputs.items()}
    return [
        Row(
            quantity=float(activities.quantity[k]),
            unit=activities.units[activities.unit[k]],
            factor="" if activities.factor is None else activities.factors[activities.factor[k]],
            category=int(activities.category[k]),
            period=int(activities.period[k]),
            supplier=activities.suppliers.codes[activities.supplier[k]],
            country=activities.suppliers.country_of(activities.supplier[k]),
            method=0 if activities.method is None else int(activities.method[k]),
            quality=0 if activities.quality is None else int(activities.quality[k]),
            group="" if activities.group is None else activities.groups[activities.group[k]],
            reference=activities.references[k] if activities.references else "",
            inputs={name: value for name, values in inputs.items() if (value := values[k]) is not None},
        )
        for k in range(n)
    ]


def part(activities: Activities, start: int, stop: int) -> Activities:
    """Return some rows of a batch with the same dictionaries."""

    def cut(column: npt.NDArray[np.uint32] | None) -> npt.NDArray[np.uint32] | None:
        return None if column is None else column[start:stop]

    return replace(
        activities,
        supplier=activities.supplier[start:stop],
        category=activities.category[start:stop],
        quantity=activities.quantity[start:stop],
        unit=activities.unit[start:stop],
        period=activities.period[start:stop],
        method=cut(activities.method),
        factor=cut(activities.factor),
        quality=cut(activities.quality),
        group=cut(activities.group),
        references=activities.references[start:stop],
        inputs={name: _part(column, start, stop) for name, column in activities.inputs.items()},
    )


def day(period: str | int) -> int:
    """Return a day as days since 1970-01-01."""
    return period if isinstance(period, int) else (date.fromisoformat(period) - EPOCH).days


def _input(values: Sequence[float | None]) -> InputColumn:
    given = [(row, value) for row, value in enumerate(values) if value is not None]
    column = np.array([value for _, value in given], np.float64)
    if len(given) == len(values):
        return InputColumn(column)
    return InputColumn(column, np.array([row for row, _ in given], np.uint32))


def _values(column: InputColumn, n: int) -> list[float | None]:
    values: list[float | None] = [None] * n
    for row, value in zip(range(n) if column.rows is None else column.rows, column.values, strict=True):
        values[int(row)] = float(value)
    return values


def _part(column: InputColumn, start: int, stop: int) -> InputColumn:
    if column.rows is None:
        return InputColumn(column.values[start:stop])
    inside = (column.rows >= start) & (column.rows < stop)
    return InputColumn(column.values[inside], column.rows[inside] - np.uint32(start))


AMOUNTS = st.floats(0, 1e7) | st.sampled_from([0.0, -0.0, 1.0, 0.1, 5e-324, 1e300])
WRONG_AMOUNTS = st.sampled_from([-1.5, float("nan"), float("inf"), float("-inf"), 1.7e308])
GOOD_ROWS = st.builds(
    Row,
    quantity=AMOUNTS,
    unit=st.sampled_from(["kg", "t", "lb", "kWh", "MJ", "USD", "tonne*km", "m**3", "tonne"]),
    factor=st.sampled_from([factor[1] for factor in FACTORS[:-1]]),
    category=st.integers(1, 15),
    period=st.integers(day("2019-12-20"), day("2024-01-10")),
    supplier=st.sampled_from(["S1", "S2", "S3", "ÄÖ"]),
    country=st.sampled_from(["", "DE", "DEU", "fr", "US"]),
    method=st.integers(0, 3),
    quality=st.sampled_from([0, 0x12345, 0x11111, 0x55555, 0x20304]),
    group=st.sampled_from(["", "plant 1", "Büro"]),
    reference=st.sampled_from(["", "INV-1", "Beleg Nr. 2"]),
    inputs=st.dictionaries(
        st.sampled_from(["supplier_factor", "distance", "days", "share"]), st.floats(0, 1), max_size=2
    ),
)
WRONG_ROWS = st.builds(
    Row,
    quantity=AMOUNTS | WRONG_AMOUNTS,
    unit=st.sampled_from(["kg", "kWh", "t CO2e", "", " ", "kilo", "kg**9**9", "EUR"]),
    factor=st.sampled_from(["", "no:such", "odd:unit", "material:steel", "heat:district", "grid:electricity"]),
    category=st.sampled_from([0, 1, 15, 16, 2**32 - 1]),
    period=st.sampled_from([-(2**31), 0, 7304, 7305, 19000, 47846, 47847, 2**31 - 1]),
    supplier=st.sampled_from(["", "S1", "x" * 129, "é" * 65]),
    country=st.sampled_from(["", "DE", "XX", "Germany"]),
    method=st.sampled_from([0, 1, 2, 3, 4, 8, 21, 26, 42, 49, 2**32 - 1]),
    quality=st.sampled_from([0, 0x12345, 0x60000, 0x00006, 0xFFFFF, 0x100000, 2**32 - 1]),
    inputs=st.dictionaries(
        st.sampled_from(
            [
                "supplier_factor",
                "share",
                "no_such_input",
                "radiative_forcing",
                "area",
                "total_area",
                "outstanding",
                "evic",
            ]
        ),
        st.floats(0, 2) | WRONG_AMOUNTS,
        max_size=2,
    ),
)
BATCHES = st.lists(GOOD_ROWS | WRONG_ROWS, max_size=30).map(lambda rows: batch(*rows))
GOOD_BATCHES = st.lists(GOOD_ROWS, max_size=30).map(lambda rows: batch(*rows))
