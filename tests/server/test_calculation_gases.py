"""CalculationService on a real server: gases, and emissions under another GWP set than their factors'."""

from collections.abc import Mapping

import grpc
import pytest
from vcci.v1 import calculation_service_pb2 as pb
from vcci.v1.activity_pb2 import Activity, ActivityColumns
from vcci.v1.emission_pb2 import Composition
from vcci_engine.gwp import GWP

from tests.failures import failure
from tests.server.test_calculations import Caller, batch, caller, steel

__all__ = ["caller"]

AR5, AR6 = GWP["AR5"], GWP["AR6"]
REFUSED = grpc.StatusCode.INVALID_ARGUMENT


def diesel(**changes: object) -> Activity:
    """Diesel, 100 litres; of the starter set, whose gases are known."""
    return steel(**({"factor": "fuel:diesel", "quantity": 100.0, "unit": "litre"} | changes))


def kg_of(composition: Composition) -> Mapping[str, float]:
    return {of.gas: of.kg for of in composition.gases}


def by_set(composition: Composition) -> Mapping[str, float]:
    return {of.gwp_set: of.kg_co2e for of in composition.gwp_sets}


async def test_gases_are_told_on_request_and_add_up_to_the_emission(caller: Caller) -> None:
    response = await caller.calculate(diesel(), include_composition=True)
    (emission,) = response.emissions
    kg = kg_of(emission.composition)
    assert emission.gwp_set == "AR5"
    assert kg.keys() == {"CO2", "CH4", "N2O"}
    assert sum(amount * AR5[gas] for gas, amount in kg.items()) == pytest.approx(emission.estimate.kg_co2e, rel=1e-12)
    assert by_set(emission.composition) == pytest.approx({"AR5": emission.estimate.kg_co2e}, rel=1e-12)
    assert not emission.composition.mixed_gwp_sets
    assert response.composition == emission.composition
    without = await caller.calculate(diesel())
    assert not without.emissions[0].HasField("composition")
    assert without.emissions[0].gwp_set == "AR5"


async def test_emissions_are_expressed_under_the_set_that_is_wanted(caller: Caller) -> None:
    own = await caller.calculate(diesel(), include_composition=True)
    response = await caller.calculate(diesel(), gwp_set="AR6", include_composition=True)
    (emission,) = response.emissions
    kg = kg_of(own.composition)
    expected = sum(amount * AR6[gas] for gas, amount in kg.items())
    assert emission.gwp_set == "AR6"
    assert emission.estimate.kg_co2e == pytest.approx(expected, rel=1e-12)
    assert emission.estimate.kg_co2e != own.emissions[0].estimate.kg_co2e
    assert emission.amount * emission.factor_kg_co2e == pytest.approx(expected, rel=1e-12)
    assert kg_of(emission.composition) == pytest.approx(kg, rel=1e-12)
    assert response.total == emission.estimate


async def test_an_activity_whose_factor_cannot_give_the_set_is_wrong(caller: Caller) -> None:
    reported = diesel(factor="", unit="kg CO2e")
    failed = await failure(caller.calculate(diesel(), steel(), reported, gwp_set="AR6"))
    assert failed.code == REFUSED
    assert failed.fields == [
        ("activities[1].factor", "GWP_SET_NOT_POSSIBLE"),
        ("activities[2].factor", "GWP_SET_NOT_POSSIBLE"),
    ]


async def test_what_a_factor_has_and_what_was_wanted_is_told(caller: Caller) -> None:
    request = pb.CalculateStreamRequest(columns=batch(3, quantity=[1.0, -1.0, 2.0]), gwp_set="AR6")
    (answer,) = await caller.stream([request])
    errors = answer.batch.row_errors
    assert [error.row for error in errors] == [0, 1, 2]
    assert [error.field for error in errors] == ["factor", "quantity", "factor"]
    assert errors[0].value == "naics:331110"
    assert errors[0].expected == "a factor under AR6, or with gases that it knows; this one is under AR5"
    assert answer.batch.emissions.rows == 0


async def test_a_stream_has_columns_of_gases_and_of_gwp_sets(caller: Caller) -> None:
    columns = ActivityColumns()
    columns.CopyFrom(batch(3, factors=["naics:331110", "fuel:diesel"], factor=[0, 1, 0], units=["USD", "litre"]))
    columns.unit[1] = 1
    request = pb.CalculateStreamRequest(columns=columns, include_composition=True)
    plain = pb.CalculateStreamRequest(columns=columns)
    answer, without = await caller.stream([request, plain])
    emissions = answer.batch.emissions
    assert [emissions.gwp_sets[index] for index in emissions.gwp_set] == ["AR5"] * 3
    gases = {of.gas: (list(of.row), list(of.kg)) for of in emissions.gases}
    assert gases.keys() == {"CO2", "CH4", "N2O", "CO2e_AR5"}
    assert gases["CO2e_AR5"] == ([0, 2], [emissions.kg_co2e[0], emissions.kg_co2e[2]])
    carbon = sum(kg[0] * AR5[gas] for gas, (_, kg) in gases.items() if gas != "CO2e_AR5")
    assert carbon == pytest.approx(emissions.kg_co2e[1], rel=1e-12)
    assert by_set(answer.batch.composition) == pytest.approx({"AR5": sum(emissions.kg_co2e)}, rel=1e-12)
    assert not without.batch.emissions.gases
    assert not without.batch.emissions.gwp_set
    assert not without.batch.HasField("composition")


async def test_suppliers_own_factors_are_of_an_unknown_set_and_mix(caller: Caller) -> None:
    own = diesel(factor="", inputs={"supplier_factor": 2.0})
    response = await caller.calculate(diesel(), own, include_composition=True)
    assert response.mixed_gwp_sets
    assert not (await caller.calculate(diesel(), steel())).mixed_gwp_sets
    columns = batch(2, factors=["naics:331110", ""], factor=[0, 1])
    columns.inputs.add(name="supplier_factor", value=[2.0], row=[1])
    both, alone = await caller.stream([pb.CalculateStreamRequest(columns=of) for of in (columns, batch())])
    assert (both.batch.mixed_gwp_sets, alone.batch.mixed_gwp_sets) == (True, False)
    assert [emission.gwp_set for emission in response.emissions] == ["AR5", ""]
    assert response.composition.mixed_gwp_sets
    assert by_set(response.composition)[""] == 200.0


async def test_a_set_that_does_not_exist_is_refused(caller: Caller) -> None:
    assert await caller.refusal(diesel(), gwp_set="AR7") == (REFUSED, [("gwp_set", "UNKNOWN_GWP_SET")])
    (answer,) = await caller.stream([pb.CalculateStreamRequest(columns=batch(), gwp_set="ar6")])
    assert (answer.refusal.field, answer.refusal.value) == ("gwp_set", "ar6")
    assert "AR6" in answer.refusal.expected


async def test_what_is_kept_stays_under_its_factors_own_sets(caller: Caller) -> None:
    refused = await caller.refusal(diesel(), gwp_set="AR6", keep=True, request_id="kept under AR6")
    assert refused == (REFUSED, [("gwp_set", "MALFORMED_VALUE")])
