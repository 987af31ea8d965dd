"""Keys that are not in the set as they are written, or stand for several factors: told with the candidates."""

import pytest
from vcci_engine.calculate import calculate
from vcci_engine.errors import MAX_VALUE_CHARACTERS
from vcci_engine.factor_keys import MOST_LOOKED_FOR, candidates, listed
from vcci_engine.results import Reason

from tests.engine.samples import Row, batch, table

KEYS = (
    *("a:steel", "b:steel", "b:steel.cold", "b:zinc", "c:331110", "fuel:diesel_kwh", "fuel:diesel_litre"),
    *("grid:electricity", "x:fuels.oil.kwh", "x:fuels.oil.litre"),
)
LINES = "\n".join(("", *KEYS, ""))
REGIONS = ("AT", "BE", "DE")
TABLE = table(
    [
        *((number, key, "", 2023, "kg", 1.0, 1.05) for number, key in enumerate(KEYS, 1)),
        *((50 + number, "heat:district", region, 2023, "kg", 1.0, 1.05) for number, region in enumerate(REGIONS)),
    ]
)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("steel", ["a:steel", "b:steel"]),
        ("zinc", ["b:zinc"]),
        ("331110", ["c:331110"]),
        ("fuel:diesel", ["fuel:diesel_kwh", "fuel:diesel_litre"]),
        ("diesel", ["fuel:diesel_kwh", "fuel:diesel_litre"]),
        ("x:fuels.oil", ["x:fuels.oil.kwh", "x:fuels.oil.litre"]),
        ("fuels", ["x:fuels.oil.kwh", "x:fuels.oil.litre"]),
        ("fuel:die", []),
        ("c:33111", []),
        ("naics:331110", []),
        ("zinc\nc", []),
        ("a:steel\nb", []),
    ],
)
def test_a_code_without_its_source_or_its_end_has_candidates(text: str, meant: list[str]) -> None:
    assert candidates(LINES, text) == meant


@pytest.mark.parametrize(
    ("row", "reason", "expected"),
    [
        (Row(factor="steel"), Reason.AMBIGUOUS_FACTOR, "one of a:steel, b:steel"),
        (Row(factor="diesel"), Reason.AMBIGUOUS_FACTOR, "one of fuel:diesel_kwh, fuel:diesel_litre"),
        (Row(factor="zinc"), Reason.UNKNOWN_FACTOR, "one of b:zinc"),
        (
            Row(factor="tin"),
            Reason.UNKNOWN_FACTOR,
            "the key of a factor in the factor set, like naics:331110",
        ),
        (
            Row(factor="heat:district"),
            Reason.AMBIGUOUS_FACTOR,
            "a supplier with a country; the key has factors for AT, BE, DE",
        ),
        (
            Row(factor="heat:district", country="FR"),
            Reason.NO_FACTOR_FOR_REGION,
            "a factor for FR or the world; the key has factors for AT, BE, DE",
        ),
    ],
)
def test_candidates_are_told_with_the_row(row: Row, reason: Reason, expected: str) -> None:
    errors = calculate(batch(row, Row(factor="b:zinc")), TABLE).errors
    assert errors.row.tolist() == [0]
    assert (errors.reason, errors.field, errors.value) == ((reason,), ("factor",), (row.factor,))
    assert errors.expected == (expected,)


def test_of_very_many_wrong_keys_the_first_have_candidates() -> None:
    rows = [Row(factor=f"steel{number:03}") for number in range(MOST_LOOKED_FOR)]
    errors = calculate(batch(*rows, Row(factor="zinc"), Row(factor="steel")), TABLE).errors
    assert len(errors) == MOST_LOOKED_FOR + 2
    assert errors.reason[-1] == Reason.AMBIGUOUS_FACTOR  # sorted, it comes first
    assert errors.expected[-2].startswith("the key of a factor")


@pytest.mark.parametrize("count", [1, 3, 20, 74, 5_000])
def test_as_many_candidates_are_named_as_an_error_can_show(count: int) -> None:
    names = [f"grid:electricity_{number}" for number in range(count)]
    text = listed("one of ", names)
    assert len(text) <= MAX_VALUE_CHARACTERS
    named = text.count("grid:")
    assert text.endswith(f" and {count - named} more") == (named < count)


def test_a_name_too_long_to_show_is_counted() -> None:
    assert listed("one of ", ["x" * 200, "y" * 200]) == "one of 2 keys"
