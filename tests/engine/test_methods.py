"""The registry of methods, and that it says what the contract says."""

import pytest
from vcci.v1 import activity_pb2, emission_pb2, error_pb2
from vcci_engine.methods import BEST_FIRST, CATEGORIES, DOWNGRADES, INPUTS, METHODS, USED, Data, Method
from vcci_engine.results import Notice, Reason
from vcci_engine.units import parse


def test_methods_are_numbered_as_in_the_contract() -> None:
    contract = {name: number for name, number in activity_pb2.Method.items() if number}
    assert {f"METHOD_{method.name.upper()}": method.number for method in METHODS} == contract
    assert [method.number for method in METHODS] == list(range(1, len(METHODS) + 1))


def test_reasons_of_rows_are_numbered_as_in_the_contract() -> None:
    for reason in Reason:
        assert int(error_pb2.ErrorReason.Value(f"ERROR_REASON_{reason.name}")) == int(reason)


def test_notices_are_numbered_as_in_the_contract() -> None:
    contract = {name: number for name, number in emission_pb2.Notice.items() if number}
    assert {f"NOTICE_{notice.name}": int(notice) for notice in Notice} == contract


def test_every_downgrade_has_a_notice() -> None:
    numbers = [method.number for method in BEST_FIRST]
    assert set(DOWNGRADES) == {(wanted, used) for wanted in numbers for used in numbers if used > wanted}


@pytest.mark.parametrize("category", range(1, CATEGORIES + 1))
def test_the_best_first_serve_every_category(category: int) -> None:
    for method in BEST_FIRST:
        assert USED[method.number, category, method.needs] == method.number


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_method_is_used_for_its_categories_and_with_any_of_its_data(method: Method) -> None:
    for category in range(1, CATEGORIES + 1):
        used = {int(USED[method.number, category, data]) for data in Data if data & method.needs}
        assert used == {method.number if category in method.categories else 0}


@pytest.mark.parametrize("method", METHODS[len(BEST_FIRST) :], ids=lambda method: method.name)
def test_nothing_takes_the_place_of_a_method_that_was_asked_for(method: Method) -> None:
    assert set(USED[method.number].ravel().tolist()) == {0, method.number}


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_what_a_method_declares_is_known(method: Method) -> None:
    assert method.optional.union(*method.inputs) <= INPUTS.keys()
    assert all(parse(unit) is not None for unit in method.units)
    assert not method.whole or (method.grouped and all(method.whole in given for given in method.inputs))
    assert method.formula
    assert method.source


@pytest.mark.parametrize(
    ("wanted", "data", "used"),
    [
        (0, Data.SUPPLIER_FACTOR | Data.PHYSICAL_FACTOR, 1),
        (0, Data.PHYSICAL_FACTOR, 2),
        (0, Data.SPEND_FACTOR, 3),
        (0, Data(0), 0),
        (1, Data.SPEND_FACTOR, 3),
        (2, Data.SUPPLIER_FACTOR | Data.SPEND_FACTOR, 3),
        (3, Data.SUPPLIER_FACTOR | Data.SPEND_FACTOR, 3),
        (3, Data.PHYSICAL_FACTOR, 0),
        (2, Data.SUPPLIER_FACTOR, 0),
    ],
)
def test_the_best_method_not_above_the_wanted_one_is_used(wanted: int, data: Data, used: int) -> None:
    assert USED[wanted, 1, data] == used


@pytest.mark.parametrize("name", sorted(INPUTS))
def test_every_input_has_a_unit_that_is_understood_and_a_range(name: str) -> None:
    known = INPUTS[name]
    assert known.name == name
    assert not known.unit or parse(known.unit.replace("currency", "USD")) is not None
    assert 0 <= known.minimum < known.maximum
    assert known.what
