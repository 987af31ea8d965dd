"""ImportFactorSet: sets under another GWP set, with what cannot be expressed."""

from typing import Any

import grpc
import pytest

from tests.failures import failure
from tests.server.factors.caller import Caller, diesel, spec_request

DIESEL = {"code": "diesel", "kg_co2e": 2.5 + 0.028, "gases": {"CO2": 2.5, "CH4": 1e-3, "CO2_biogenic": 0.2}}
COAL = {"code": "coal", "kg_co2e": 3.0}


async def test_factors_with_gases_are_expressed_under_the_set_that_is_wanted(caller: Caller) -> None:
    await caller.import_messages(diesel(**DIESEL, gwp_set="AR5"), gwp_set="AR6", activate=True)
    [found] = await caller.factors()
    assert (found.gwp_set, found.gases) == ("AR6", DIESEL["gases"])
    assert found.kg_co2e == pytest.approx(2.5 + 0.0279, rel=1e-12)


async def test_a_base_alone_is_expressed(caller: Caller) -> None:
    base = await caller.import_messages(diesel(**DIESEL, gwp_set="AR5"))
    made = await caller.send([spec_request(base_factor_set=base.name, gwp_set="AR4")])
    [found] = await caller.factors(factor_set=made.name)
    assert found.kg_co2e == pytest.approx(2.5 + 0.025, rel=1e-12)
    assert found.source_note.endswith("; expressed under AR4 by its gases")
    again = await caller.send([spec_request(base_factor_set=made.name, gwp_set="AR4")])
    assert again == made


async def test_factors_that_cannot_be_expressed_are_named(caller: Caller) -> None:
    factors = [diesel(**DIESEL, gwp_set="AR5"), diesel(**COAL, gwp_set="AR5"), diesel(code="peat", kg_co2e=1.0)]
    failed = await failure(caller.import_messages(*factors, gwp_set="AR6"))
    assert failed.code == grpc.StatusCode.INVALID_ARGUMENT
    assert failed.fields == [("factors", "GWP_SET_NOT_POSSIBLE")] * 2
    assert "coal" in failed.violations[0].description


async def test_they_are_kept_under_their_own_set_if_asked(caller: Caller) -> None:
    factors = [diesel(**DIESEL, gwp_set="AR5"), diesel(**COAL, gwp_set="AR5")]
    await caller.import_messages(*factors, gwp_set="AR6", keep_other_gwp_sets=True, activate=True)
    found = {factor.code: factor for factor in await caller.factors()}
    assert {code: factor.gwp_set for code, factor in found.items()} == {"diesel": "AR6", "coal": "AR5"}
    assert found["coal"].kg_co2e == 3.0


async def test_what_is_co2e_only_stands_among_the_gases_of_its_set(caller: Caller) -> None:
    await caller.import_messages(
        diesel(code="mix", kg_co2e=1.5, gases={"CO2": 1.0}, gwp_set="AR5"), gwp_set="AR6", activate=True
    )
    [found] = await caller.factors()
    assert (found.gwp_set, dict(found.gases)) == ("AR6", {"CO2": 1.0, "CO2e_AR5": 0.5})
    assert found.kg_co2e == 1.5


@pytest.mark.parametrize(
    ("spec", "field", "reason"),
    [
        ({"gwp_set": "AR7"}, "spec.gwp_set", "UNKNOWN_GWP_SET"),
        ({"keep_other_gwp_sets": True}, "spec.keep_other_gwp_sets", "MALFORMED_VALUE"),
    ],
)
async def test_a_wrong_spec_is_refused(caller: Caller, spec: dict[str, Any], field: str, reason: str) -> None:
    failed = await failure(caller.import_messages(diesel(**DIESEL), **spec))
    assert failed.fields == [(field, reason)]


async def test_a_gas_that_no_set_knows_is_refused(caller: Caller) -> None:
    failed = await failure(caller.import_messages(diesel(gases={"methane": 1.0})))
    assert failed.fields == [("factors[0].gases", "INVALID_FACTOR_FILE")]
