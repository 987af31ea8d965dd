"""Emissions as plain columns by row number: as the server streams them, and as the engine calculates them at once."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from vcci.v1.error_pb2 import RowError
from vcci_client.activities import Input
from vcci_client.emission_arrays import EmissionArrays
from vcci_engine.activities import Activities, InputColumn
from vcci_engine.calculate import calculate
from vcci_engine.factors import FactorTable
from vcci_engine.quality import unpack
from vcci_engine.results import Calculation

Table: TypeAlias = dict[str, list[Any]]  # parallel columns, by ascending row number
Error: TypeAlias = tuple[int, int, str, str, str, str]  # row, reason, field, value, expected, reference

COLUMNS = (
    *("row", "supplier", "category", "method", "period", "quantity", "unit", "factor", "quality"),
    *("group", "reference", "inputs", "kg_co2e", "gsd2", "notices"),
)


def streamed(pages: Sequence[EmissionArrays]) -> Table:
    """Return what StreamEmissions has sent, sorted by row number."""
    table: Table = {name: [] for name in COLUMNS}
    for page in pages:
        for name, values in _of_page(page).items():
            table[name] += values
    return _sorted(table)


def calculated(activities: Activities, factors: FactorTable) -> tuple[Table, list[Error]]:
    """Return the emissions of an upload with these rows, calculated as one batch, and its row errors."""
    calculation = calculate(activities, factors)
    return _of_calculation(activities, calculation, factors), _errors(activities, calculation)


def told(errors: Sequence[RowError]) -> list[Error]:
    """Return what the server has told of rejected rows."""
    return [(error.row, error.reason, error.field, error.value, error.expected, error.reference) for error in errors]


def ug_co2e(table: Table) -> int:
    """Return the exact sum of the calculated values, in micrograms."""
    return sum(round(kg * 1e9) for kg in table["kg_co2e"])


def _of_page(page: EmissionArrays) -> Table:
    n = page.rows
    return {
        "row": page.row.tolist(),
        "supplier": page.supplier.texts(),
        "category": page.category.tolist(),
        "method": page.method.tolist(),
        "period": page.period.tolist(),
        "quantity": page.quantity.tolist(),
        "unit": page.unit.texts(),
        "factor": page.factor.texts(),
        "quality": page.quality.tolist(),
        "group": page.group.texts() or [""] * n,
        "reference": [*page.references] or [""] * n,
        "inputs": _inputs(n, {name: _sparse(column, n) for name, column in page.inputs.items()}),
        "kg_co2e": page.kg_co2e.tolist(),
        "gsd2": page.gsd2.tolist(),
        "notices": page.notices.tolist(),
    }


def _of_calculation(activities: Activities, calculation: Calculation, factors: FactorTable) -> Table:
    emissions = calculation.emissions
    n = len(emissions)
    keys = {0: "", **dict(zip(factors.id.tolist(), factors.key, strict=True))}
    return {
        "row": emissions.row.tolist(),
        "supplier": [activities.suppliers.codes[index] for index in emissions.supplier],
        "category": emissions.category.tolist(),
        "method": emissions.method.tolist(),
        "period": emissions.period.tolist(),
        "quantity": emissions.quantity.tolist(),
        "unit": [activities.units[index] for index in emissions.unit],
        "factor": [keys[factor] for factor in emissions.factor.tolist()],
        "quality": unpack(emissions.quality).tolist(),
        "group": [""] * n if emissions.group is None else [emissions.groups[index] for index in emissions.group],
        "reference": [*emissions.references] or [""] * n,
        "inputs": _inputs(n, {name: _sparse(column, n) for name, column in emissions.inputs.items()}),
        "kg_co2e": emissions.kg_co2e.tolist(),
        "gsd2": np.exp(2 * emissions.sigma.astype(np.float64)).astype(np.float32).tolist(),
        "notices": emissions.notices.tolist(),
    }


def _sparse(column: InputColumn | Input, n: int) -> tuple[Sequence[int], Sequence[float]]:
    return range(n) if column.rows is None else column.rows.tolist(), column.values.tolist()


def _inputs(n: int, columns: dict[str, tuple[Sequence[int], Sequence[float]]]) -> list[dict[str, float]]:
    found: list[dict[str, float]] = [{} for _ in range(n)]
    for name, (rows, values) in columns.items():
        for row, value in zip(rows if rows or not values else range(n), values, strict=True):
            found[row][name] = value
    return found


def _errors(activities: Activities, calculation: Calculation) -> list[Error]:
    errors = calculation.errors
    rows = errors.row.tolist()
    references = [activities.references[row] if activities.references else "" for row in rows]
    reasons = [int(reason) for reason in errors.reason]
    return list(zip(rows, reasons, errors.field, errors.value, errors.expected, references, strict=True))


def _sorted(table: Table) -> Table:
    order = np.argsort(np.array(table["row"]), kind="stable").tolist()
    return {name: [values[place] for place in order] for name, values in table.items()}
