"""The factor and the method of each row."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from vcci_engine.activities import Activities, FloatArray, IndexArray, InputColumn, Positions
from vcci_engine.countries import alpha_2
from vcci_engine.dates import day_index
from vcci_engine.factor_keys import check_keys, listed
from vcci_engine.factor_lookup import FactorLookup, Found, resolve
from vcci_engine.factors import FactorTable
from vcci_engine.findings import Finding
from vcci_engine.inputs import less_deductions, spread
from vcci_engine.methods import (
    CONSTANT,
    DOWNGRADE_BITS,
    METHODS,
    NEEDS,
    SUPPLIER_FACTOR,
    USED,
    Data,
    supplier_specific,
)
from vcci_engine.methods.multipliers import MARGINS, PRICE_BASES
from vcci_engine.price_variants import said
from vcci_engine.results import Notice, Reason
from vcci_engine.units import Unit

OWN = supplier_specific.METHOD.number

# Whether a method has a constant; whether one is for a category, by [method wanted, category].
_IS_CONSTANT: npt.NDArray[np.bool_] = np.asarray(CONSTANT != 1)
_POSSIBLE: npt.NDArray[np.bool_] = np.asarray(USED.max(axis=2) > 0)


@dataclass(frozen=True, slots=True)
class Choice:
    """What each row is calculated with."""

    factor: Positions  # position in the factor table; F is the supplier's own, or none; F + 1 reported emissions
    target: npt.NDArray[np.int32]  # what the amount is converted to, an index into the look-up's targets
    method: npt.NDArray[np.uint8]  # 0: none is possible
    notices: npt.NDArray[np.uint16]


def choose(batch: Activities, lookup: FactorLookup, units: Sequence[Unit | None]) -> Choice:
    """Choose the best factor and method that each row's data allows, or that it wants."""
    found = _factors(batch, lookup)
    factor, target, notices = found.factor, found.target, found.notices
    data = lookup.data.take(factor)
    own = batch.inputs.get(SUPPLIER_FACTOR.name)
    if own is not None:
        data[_at(own)] |= np.uint8(Data.SUPPLIER_FACTOR)
    if (reported := _reported(batch, units)) is not None:
        data[reported] |= np.uint8(Data.REPORTED)
    wanted = np.intp(0) if batch.method is None else batch.method.astype(np.intp)
    code = (wanted * USED.shape[1] + batch.category) * USED.shape[2] + data
    method = USED.take(code, mode="clip")
    notices |= DOWNGRADE_BITS.take(wanted * DOWNGRADE_BITS.shape[1] + method, mode="clip")
    if own is not None or reported is not None:
        taken = data & NEEDS.take(method)
        for better, last in ((Data.SUPPLIER_FACTOR, 2), (Data.REPORTED, 1)):
            rows = taken & np.uint8(better) != 0
            np.copyto(factor, len(lookup.id) - last, where=rows)
            np.copyto(target, len(lookup.targets) - last, where=rows)
            np.copyto(notices, 0, where=rows)
    return Choice(factor, target, method, notices)


def factor_values(batch: Activities, lookup: FactorLookup, choice: Choice) -> FloatArray:
    """Return kg CO2e per unit of each row's factor, the set's or the supplier's own, without what is taken off it."""
    values = lookup.kg_co2e.take(choice.factor)
    own = batch.inputs.get(SUPPLIER_FACTOR.name)
    if own is not None:
        rows = np.arange(len(batch)) if own.rows is None else own.rows
        used = choice.factor[rows] == len(lookup.id) - 2
        values[rows[used]] = own.values[used]
    return less_deductions(values, batch.inputs)


def constants(batch: Activities, choice: Choice) -> FloatArray | None:
    """Return the constant of each row's method; None when all have 1, as methods that nobody wanted have."""
    if batch.method is None or not _IS_CONSTANT.take(choice.method).any():
        return None
    return CONSTANT.take(choice.method)


def basis_notices(batch: Activities, lookup: FactorLookup, choice: Choice) -> npt.NDArray[np.uint16] | None:
    """Return bits of notices of rows whose factor is for other prices than they say; None when no row says any."""
    bits: npt.NDArray[np.uint16] | None = None
    for name, of_factor in (("price_basis", lookup.price_basis), ("margins", lookup.margins)):
        if name in batch.inputs:
            said, has = spread(batch.inputs[name], len(batch)), of_factor.take(choice.factor)
            differs = (has != 0) & (said != has) & ~np.isnan(said)
            bits = (0 if bits is None else bits) | differs * np.uint16(1 << Notice.PRICE_BASIS_DIFFERS)
    return bits


def check_factors(batch: Activities, table: FactorTable, choice: Choice) -> Iterator[Finding]:
    """Find rows whose factor does not exist, or not for their region, and rows that no method can calculate."""
    key = partial(_key, batch)
    yield from check_keys(batch, table)
    yield from _check_reported(batch, table, choice)
    impossible = choice.method == 0
    if not impossible.any():
        return
    needed = partial(_needed, batch)
    if batch.method is not None:
        method = batch.method
        never = impossible & ~_POSSIBLE[np.minimum(method, len(METHODS)), np.minimum(batch.category, 15)]
        yield Finding(never, Reason.UNKNOWN_METHOD, "method", partial(_wanted, method), partial(_for_category, batch))
    yield Finding(impossible & _keyless(batch), Reason.MISSING_INPUT, "factor", key, needed)
    nowhere = impossible & (choice.factor == len(table))
    if nowhere.any():
        placeless = batch.suppliers.with_countries([not country for country in batch.suppliers.countries])
        anywhere = nowhere & placeless.take(batch.supplier)
        regions = partial(_regions, batch, table)
        yield Finding(anywhere, Reason.AMBIGUOUS_FACTOR, "factor", key, regions)
        yield Finding(nowhere, Reason.NO_FACTOR_FOR_REGION, "factor", key, regions)
    yield Finding(impossible, Reason.MISSING_INPUT, "factor", key, needed)


def _check_reported(batch: Activities, table: FactorTable, choice: Choice) -> Iterator[Finding]:
    """Find rows that are emissions already, and have a factor too."""
    reported = (choice.factor == len(table) + 1) & (choice.method != 0)
    if reported.any():
        own = batch.inputs.get(SUPPLIER_FACTOR.name)
        has_factor = ~_keyless(batch)
        if own is not None:
            has_factor[_at(own)] = True
        expected = "a unit of activity, or no factor: emissions are multiplied with none"
        wrong = reported & has_factor
        yield Finding(wrong, Reason.INCOMPATIBLE_UNIT, "unit", lambda row: batch.units[batch.unit[row]], expected)


def _factors(batch: Activities, lookup: FactorLookup) -> Found:
    rows = len(batch)
    if batch.factor is None or not rows:
        factor = np.full(rows, len(lookup.id) - 1, np.intp)
        return Found(factor, np.full(rows, len(lookup.targets) - 1, np.int32), np.zeros(rows, np.uint16))
    key = np.array(_numbers(batch, lookup), np.intp)[batch.factor]
    region = _regions_of(batch, lookup)
    if lookup.variants and (prices := said(batch)) is not None:
        key = _at_prices(batch, lookup, key, region, prices)
    return resolve(lookup, key, region, day_index(batch.period))


def _numbers(batch: Activities, lookup: FactorLookup) -> list[int]:
    none = len(lookup.key)
    return [lookup.key.get(text, none) for text in batch.factors]


def _at_prices(
    batch: Activities, lookup: FactorLookup, key: Positions, region: Positions, prices: Positions
) -> Positions:
    """Return each row's key, or the variant of it that is for the row's prices and its region."""
    alone = (-1,) * (len(PRICE_BASES) * len(MARGINS))
    table = np.array([lookup.variants.get(text, alone) for text in batch.factors], np.intp)
    variant = table[batch.factor, prices]
    nowhere = lookup.group[variant, region] == len(lookup.factor) - 1
    return np.where((variant < 0) | nowhere, key, variant)


def _regions_of(batch: Activities, lookup: FactorLookup) -> Positions:
    other, unknown = len(lookup.region), len(lookup.region) + 1
    codes = map(alpha_2, batch.suppliers.countries)
    region = [unknown if code == "" else lookup.region.get(code or "", other) for code in codes]
    if len(set(region)) == 1:
        return np.full(len(batch), region[0], np.intp)
    return np.array(region, np.intp).take(batch.suppliers.country.take(batch.supplier))


def _reported(batch: Activities, units: Sequence[Unit | None]) -> npt.NDArray[np.bool_] | None:
    """Return which rows are emissions already; None when no row is."""
    emissions = [unit is not None and unit.is_emissions for unit in units]
    return np.array(emissions, np.bool_)[batch.unit] if any(emissions) else None


def _at(column: InputColumn) -> slice | npt.NDArray[np.uint32]:
    return slice(None) if column.rows is None else column.rows


def _keyless(batch: Activities) -> npt.NDArray[np.bool_]:
    if batch.factor is None:
        return np.ones(len(batch), np.bool_)
    return np.array([not text for text in batch.factors], np.bool_)[batch.factor]


def _key(batch: Activities, row: int) -> str:
    return "" if batch.factor is None else batch.factors[batch.factor[row]]


def _needed(batch: Activities, row: int) -> str:
    wanted = 0 if batch.method is None else int(batch.method[row])
    if wanted <= OWN:
        return "the key of a factor, or the input supplier_factor"
    method = METHODS[wanted - 1]
    return f"{method.needed}, for {method.name}"


def _wanted(method: IndexArray, row: int) -> str:
    return METHODS[int(method[row]) - 1].name


def _for_category(batch: Activities, row: int) -> str:
    category = int(batch.category[row])
    fit = [method.name for method in reversed(METHODS) if category in method.categories]
    return listed(f"a method for category {category}: ", fit)


def _regions(batch: Activities, table: FactorTable, row: int) -> str:
    start, stop = table.index[_key(batch, row)]
    country = batch.suppliers.country_of(batch.supplier[row])
    wanted = f"a factor for {country} or the world" if country else "a supplier with a country"
    return listed(f"{wanted}; the key has factors for ", sorted(set(table.region[start:stop])))
