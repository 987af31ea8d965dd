"""Variants of a factor at several prices: which one a row gets, by what it says of its prices."""

import numpy as np
import pytest
from vcci_engine.calculate import calculate
from vcci_engine.factors import FactorTable, build_table
from vcci_engine.restatement import Tables, restate
from vcci_engine.results import Basis, Notice
from vcci_engine.segments import cut

from tests.engine.samples import Row, batch

# key, region, kg CO2e, price basis, margins
Variant = tuple[str, str, float, str, str]
EPA = ("n:1", "", 1.0, "purchaser", "with"), ("n:1.without_margins", "", 2.0, "purchaser", "without")
PRODUCER = ("n:1.producer", "", 3.0, "producer", ""), ("n:1.producer.with_margins", "", 4.0, "producer", "with")


def table(*variants: Variant) -> FactorTable:
    keys, regions, kg_co2e, bases, margins = zip(*variants, strict=True)
    n = len(variants)
    return build_table(
        *(1, "hash"),
        ids=range(1, n + 1),
        keys=keys,
        regions=regions,
        years=[2023] * n,
        units=["USD"] * n,
        kg_co2e=kg_co2e,
        gsd2=[1.05] * n,
        price_bases=bases,
        margins=margins,
    )


def used(of: FactorTable, key: str, **inputs: float) -> tuple[float, bool]:
    """Return the value of the factor that a row gets, and whether it is told that it is for other prices."""
    row = Row(quantity=1.0, unit="USD", factor=key, method=3, country="US", inputs=inputs)
    emissions = calculate(batch(row), of).emissions
    return float(emissions.kg_co2e[0]), bool(emissions.notices[0] >> Notice.PRICE_BASIS_DIFFERS & 1)


@pytest.mark.parametrize("key", ["n:1", "n:1.without_margins"])
def test_the_variant_that_fits_is_used_whichever_key_is_named(key: str) -> None:
    assert used(table(*EPA), key, margins=1.0) == (1.0, False)
    assert used(table(*EPA), key, margins=2.0) == (2.0, False)
    assert used(table(*EPA), key, price_basis=1.0, margins=2.0) == (2.0, False)


def test_who_says_nothing_gets_the_key_that_was_named() -> None:
    assert [used(table(*EPA), key) for key, *_ in EPA] == [(1.0, False), (2.0, False)]


def test_what_is_left_open_stays_as_the_named_key_has_it() -> None:
    every = table(*EPA, *PRODUCER)
    assert used(every, "n:1", price_basis=2.0) == (4.0, False)
    assert used(every, "n:1.without_margins", price_basis=2.0) == (3.0, False), "for any margins, sooner than with"
    assert used(every, "n:1.producer.with_margins", price_basis=1.0) == (1.0, False)


def test_where_no_variant_fits_the_named_one_is_used_and_told() -> None:
    assert used(table(*EPA), "n:1.without_margins", price_basis=2.0) == (2.0, True)
    assert used(table(EPA[0]), "n:1", margins=2.0) == (1.0, True)


def test_a_factor_without_a_basis_is_for_any_and_one_with_it_comes_first() -> None:
    plain: Variant = ("n:1", "", 1.0, "purchaser", "")
    assert used(table(plain, EPA[1]), "n:1", margins=2.0) == (2.0, False)
    assert used(table(plain, EPA[1]), "n:1", margins=1.0) == (1.0, False)
    nothing: Variant = ("n:1", "", 1.0, "", "")
    assert used(table(nothing, EPA[1]), "n:1", margins=2.0) == (1.0, False), "it does not say that it is a variant"


def test_a_variant_that_is_not_there_for_the_region_is_passed_over_and_told() -> None:
    of = table(
        EPA[0], ("n:1.without_margins", "DE", 2.0, "purchaser", "without"), ("n:1.without_margins", "FR", *EPA[1][2:])
    )
    assert used(of, "n:1", margins=2.0) == (1.0, True)


def test_keys_of_other_things_and_of_mixed_prices_are_no_variants() -> None:
    of = table(EPA[0], ("n:2.without_margins", "", 2.0, "purchaser", "without"))
    assert used(of, "n:1", margins=2.0) == (1.0, True)
    mixed = table(EPA[0], ("n:1.producer", "DE", 2.0, "producer", ""), ("n:1.producer", "", 3.0, "purchaser", ""))
    assert used(mixed, "n:1", price_basis=2.0) == (1.0, True)


def test_rows_are_chosen_for_one_by_one_and_restated_to_the_bit() -> None:
    of = table(*EPA, *PRODUCER)
    said = [{}, {"margins": 2.0}, {"price_basis": 2.0}, {"price_basis": 1.0, "margins": 2.0}]
    rows = batch(*(Row(unit="USD", factor="n:1", method=3, country="US", inputs=inputs) for inputs in said))
    emissions = calculate(rows, of).emissions
    assert emissions.kg_co2e.tolist() == [1.0, 2.0, 4.0, 2.0]
    segments = cut(emissions, np.array([0], np.int32), rows.units, 0)
    found = restate(segments, np.ones(4, np.bool_), lambda ids: ["US"], Basis(1), Tables(of, of, of))
    assert not len(found.changes.row)
    assert sorted(found.columns["kg_co2e"].tolist()) == [1.0, 2.0, 2.0, 4.0]
