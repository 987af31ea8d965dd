"""EmissionService: what stored emissions consist of, and what they are under another GWP set."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from math import fsum
from typing import Any

import pytest
from vcci.v1 import emission_service_pb2 as pb
from vcci.v1.emission_pb2 import Composition
from vcci_client.emission_arrays import EmissionArrays
from vcci_server.storage.pool import Pool

from tests.server.emission_reader import DIMENSIONS, Reader, as_sent, by_key, decoded, problem, rows_of, serve_emissions
from tests.server.stored_emissions import GASES, Row

# kg CO2e under each set, of 1 kg CO2e by factor, when AR6 is wanted: CH4 27.9, not fossil 27.0, instead of 28.
UNDER_AR6: Mapping[str, Mapping[str, float]] = {
    "": {"": 1.0},
    "test:steel": {"AR5": 1.0},
    "test:power": {"AR6": 0.72 + 0.279},
    "test:freight": {"AR6": 0.9 + 0.027, "AR5": 0.072},
}


@pytest.fixture
async def reader(pool: Pool) -> AsyncIterator[Reader]:
    """The service, with uploads at every stage."""
    async with serve_emissions(pool) as reader:
        yield reader


def close(expected: object) -> Any:
    """What equals values that differ by the rounding of rows to micrograms."""
    return pytest.approx(expected, rel=1e-9, abs=1e-6)


def under_ar6(row: Row) -> float:
    return row.kg_co2e * fsum(UNDER_AR6[row.factor].values())


def by_set(composition: Composition) -> Mapping[str, float]:
    return {of.gwp_set: of.kg_co2e for of in composition.gwp_sets}


def expected_sets(rows: Sequence[Row]) -> Mapping[str, float]:
    sums: dict[str, list[float]] = {}
    for row in rows:
        for gwp_set, share in UNDER_AR6[row.factor].items():
            sums.setdefault(gwp_set, []).append(row.kg_co2e * share)
    return {name: fsum(values) for name, values in sums.items()}


def gases_of(rows: Sequence[Row]) -> Mapping[str, float]:
    sums: dict[str, list[float]] = {}
    for row in rows:
        for gas, kg in GASES.get(row.factor.removeprefix("test:"), {}).items():
            sums.setdefault(gas, []).append(row.kg_co2e * kg)
    return {gas: fsum(values) for gas, values in sums.items()}


def of_group(rows: Sequence[Row], dimension: int, group: pb.EmissionGroup) -> list[Row]:
    return [row for row in rows if DIMENSIONS[dimension](row) == group.keys[0]]


@pytest.mark.parametrize("dimension", DIMENSIONS)
async def test_sums_are_expressed_under_the_set_that_is_wanted(reader: Reader, dimension: int) -> None:
    rows = reader.store.visible
    totals = await reader.totals(group_by=[dimension], gwp_set="AR6", limit=10_000)
    assert totals.total.estimate.kg_co2e == close(fsum(map(under_ar6, rows)))
    for group in totals.groups:
        mine = of_group(rows, dimension, group)
        assert group.estimate.kg_co2e == close(fsum(map(under_ar6, mine)))
        assert by_set(group.composition) == close(expected_sets(mine))
        assert group.composition.mixed_gwp_sets == (len(expected_sets(mine)) > 1)
        assert not group.composition.gases


async def test_intervals_are_those_of_rows_under_the_set_that_is_wanted(reader: Reader) -> None:
    expressed = [replace(row, kg_co2e=under_ar6(row)) for row in reader.store.visible]
    expected, found = reader.store.estimate(expressed), (await reader.totals(gwp_set="AR6")).total.estimate
    values = (found.kg_co2e_low, found.kg_co2e_high, found.kg_co2e_mean, found.kg_co2e_median)
    assert values == close((expected.low, expected.high, expected.mean, expected.median))


async def test_gases_of_sums_are_told_on_request(reader: Reader) -> None:
    rows = reader.store.visible
    totals = await reader.totals(group_by=[pb.DIMENSION_CATEGORY], include_gases=True)
    for group, mine in [
        (totals.total, rows),
        *((group, of_group(rows, pb.DIMENSION_CATEGORY, group)) for group in totals.groups),
    ]:
        found = {of.gas: of.kg for of in group.composition.gases}
        expected = dict(gases_of(mine))
        assert group.composition.kg_co2_biogenic == close(expected.pop("CO2_biogenic", 0.0))
        assert found == close(expected)
        methane = next((of for of in group.composition.gases if of.gas == "CH4"), None)
        assert methane is None or methane.kg_co2e == pytest.approx(28 * methane.kg, rel=1e-12)
        assert group.composition.rows_of_unknown_gases == 0


async def test_sums_as_stored_say_which_sets_are_in_them(reader: Reader) -> None:
    rows = reader.store.visible
    totals = await reader.totals(group_by=[pb.DIMENSION_FACTOR])
    assert totals.total.composition.mixed_gwp_sets
    for group in totals.groups:
        own = "AR5" if group.keys[0] else ""
        mine = of_group(rows, pb.DIMENSION_FACTOR, group)
        assert by_set(group.composition) == close({own: fsum(row.kg_co2e for row in mine)})
        assert not group.composition.mixed_gwp_sets


async def test_expressed_sums_do_not_depend_on_what_is_folded_and_merged(reader: Reader) -> None:
    async def asked() -> list[pb.AggregateEmissionsResponse]:
        return [
            await reader.totals(group_by=[dimension], gwp_set="AR6", include_gases=True) for dimension in DIMENSIONS
        ]

    before = await asked()
    await reader.store.finalize(reader.stages.uploads[2])
    await reader.stages.fold(1_000)
    await reader.stages.merge_all()
    assert await asked() == before


async def test_the_own_set_changes_no_bit(reader: Reader) -> None:
    own, wanted = await reader.totals(), await reader.totals(gwp_set="AR5")
    assert own.total.estimate == wanted.total.estimate
    assert by_set(own.total.composition) == close(by_set(wanted.total.composition))


async def test_rows_are_expressed_and_those_that_cannot_be_are_marked(reader: Reader) -> None:
    responses = [response async for response in reader.stream(gwp_set="AR6")]
    found = by_key(rows_of(responses))
    stored = as_sent(reader.store.visible)
    expected = [replace(row, kg_co2e=under_ar6(row)) for row in stored]
    assert [row.kg_co2e for row in found] == pytest.approx([row.kg_co2e for row in expected], rel=1e-12)
    assert [replace(row, kg_co2e=0.0) for row in found] == [replace(row, kg_co2e=0.0) for row in expected]
    sets = {"": "", "test:steel": "AR5", "test:power": "AR6", "test:freight": "AR6"}
    for emissions in decoded(responses):
        assert emissions.gwp_set.texts() == [sets[factor] for factor in emissions.factor.texts()]
        assert not emissions.gases
    total = (await reader.totals(gwp_set="AR6")).total.estimate.kg_co2e
    assert total == close(fsum(row.kg_co2e for row in found))


async def test_rows_have_their_gases_on_request(reader: Reader) -> None:
    wanted = [pb.EMISSION_COLUMN_GASES, pb.EMISSION_COLUMN_KG_CO2E, pb.EMISSION_COLUMN_FACTOR]
    responses = [response async for response in reader.stream(columns=wanted)]
    assert responses
    for emissions in decoded(responses):
        for number, factor in enumerate(emissions.factor.texts()):
            code = factor.removeprefix("test:")
            rest = {"freight": {"CO2e_AR5": 0.072}, "steel": {"CO2e_AR5": 1.0}, "": {"CO2e": 1.0}}.get(code, {})
            expected = {gas: kg * emissions.kg_co2e[number] for gas, kg in {**GASES.get(code, {}), **rest}.items()}
            assert _gases_at(emissions, number) == pytest.approx(expected, rel=1e-12)


async def test_a_set_that_does_not_exist_is_refused(reader: Reader) -> None:
    assert await problem(reader.rows(gwp_set="AR7")) == ("gwp_set", "UNKNOWN_GWP_SET")


def _gases_at(emissions: EmissionArrays, row: int) -> Mapping[str, float]:
    found = {}
    for gas, column in emissions.gases.items():
        rows = [*range(emissions.rows)] if column.rows is None else column.rows.tolist()
        if row in rows:
            found[gas] = float(column.values[rows.index(row)])
    return found
