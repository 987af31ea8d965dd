"""Gases and GWP sets by the client and the command."""

import pytest
from vcci.v1.activity_pb2 import Activity
from vcci_client import AsyncClient
from vcci_client.errors import InvalidRequest

from tests.clients.test_cli import Run, on_server
from tests.clients.test_client import STEEL
from tests.clients.test_upload import rows

__all__ = ["on_server"]


def diesel() -> Activity:
    """Diesel, whose gases the starter set has."""
    activity = Activity()
    activity.CopyFrom(STEEL)
    activity.factor, activity.unit = "fuel:diesel", "litre"
    return activity


async def test_an_activity_is_expressed_under_another_set_with_its_gases(client: AsyncClient) -> None:
    own = await client.calculate([diesel()])
    under_ar6 = await client.calculate([diesel()], gwp_set="AR6", include_composition=True)
    assert [of.emissions[0].gwp_set for of in (own, under_ar6)] == ["AR5", "AR6"]
    assert own.total.kg_co2e == pytest.approx(under_ar6.total.kg_co2e, rel=0.01)
    assert own.total.kg_co2e != under_ar6.total.kg_co2e
    assert [of.gas for of in under_ar6.composition.gases] == ["CH4", "CO2", "N2O"]
    with pytest.raises(InvalidRequest) as refused:
        await client.calculate([STEEL], gwp_set="AR6")
    assert refused.value.reason == "GWP_SET_NOT_POSSIBLE"


async def test_a_stream_of_batches_is_expressed_under_a_set(client: AsyncClient) -> None:
    (own,) = [answer async for answer in client.calculate_stream(rows(10), gwp_set="AR5", include_composition=True)]
    assert own.batch.emissions.rows == 10
    assert list(own.batch.emissions.gwp_sets) == ["", "AR5"]
    assert [of.gwp_set for of in own.batch.composition.gwp_sets] == ["AR5"]
    (under_ar6,) = [answer async for answer in client.calculate_stream(rows(10), gwp_set="AR6")]
    assert {error.field for error in under_ar6.batch.row_errors} == {"factor"}


def test_the_command_tells_gases_and_takes_a_set(on_server: Run) -> None:
    activity = ("calculate", "--category", 4, "--quantity", 100, "--unit", "litre", "--factor", "fuel:diesel")
    own, under_ar6 = on_server(*activity), on_server(*activity, "--gwp-set", "AR6")
    assert own.exit_code == under_ar6.exit_code == 0
    assert "GWP set        AR5" in own.stdout
    assert "GWP set        AR6" in under_ar6.stdout
    assert own.stdout.split()[0] != under_ar6.stdout.split()[0]
    assert "gases          CO2 " in own.stdout
    assert "mixed" not in own.stdout
    impossible = ("calculate", "--category", 1, "--quantity", 1, "--unit", "USD", "--factor", "naics:331110")
    refused = on_server(*impossible, "--gwp-set", "AR6")
    assert refused.exit_code == 1
    assert "under AR5" in refused.stderr
