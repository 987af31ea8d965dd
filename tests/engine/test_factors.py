"""Factor tables: their order, their index, and finding a factor by key, region and year."""

import pickle
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vcci_engine.dates import day_index
from vcci_engine.factor_lookup import resolve
from vcci_engine.factors import FactorTable
from vcci_engine.results import Notice

from tests.engine.samples import FACTORS, TABLE, day, table

REGIONS = ("", "DE", "FR", "US")
IDENTITIES = st.tuples(st.sampled_from(["a:1", "a:2", "b:1"]), st.sampled_from(REGIONS), st.integers(2018, 2024))


def found(of: FactorTable, key: str, country: str, year: int) -> tuple[int, int]:
    """Return the id of the factor (0: none) and the bits of its notices."""
    lookup = of.lookup
    row = resolve(
        lookup,
        np.array([lookup.key.get(key, len(lookup.key))], np.intp),
        np.array([lookup.region.get(country, len(lookup.region) + (not country))], np.intp),
        day_index(np.array([day(f"{year}-07-01")], np.int32)),
    )
    return int(lookup.id[row.factor[0]]), int(row.notices[0])


def slowly(identities: list[tuple[str, str, int]], key: str, country: str, year: int) -> tuple[int, set[Notice]]:
    """Find a factor by trying one after the other; its id is its place from 1."""
    of_key = [(region, at, number) for number, (k, region, at) in enumerate(identities, 1) if k == key]
    regions = {region for region, _, _ in of_key}
    notices: set[Notice] = set()
    if len(regions) == 1 and country not in regions:
        notices.add(Notice.WORLD_FACTOR if "" in regions else Notice.OTHER_REGION_FACTOR)
    if len(regions) > 1:
        wanted = country if country and country in regions else ""
        if wanted == "" and "" in regions:
            notices.add(Notice.WORLD_FACTOR)
        of_key = [factor for factor in of_key if factor[0] == wanted]
    if not of_key:
        return 0, set()
    years = {at: number for _, at, number in of_key}
    used = max((at for at in years if at <= year), default=min(years))
    if used != year:
        notices.add(Notice.EARLIER_FACTOR_YEAR if used < year else Notice.LATER_FACTOR_YEAR)
    return years[used], notices


@given(st.lists(IDENTITIES, unique=True, max_size=25), st.sampled_from([*REGIONS, "IT"]), st.integers(2015, 2027))
def test_a_factor_is_found_as_by_trying_all(identities: list[tuple[str, str, int]], country: str, year: int) -> None:
    of = table([(n, key, region, at, "kg", 1.0, 1.05) for n, (key, region, at) in enumerate(identities, 1)])
    for key in ("a:1", "a:2", "b:1", "no:such"):
        factor, bits = found(of, key, country, year)
        expected, notices = slowly(identities, key, country, year)
        assert factor == expected
        if factor:
            assert {notice for notice in Notice if bits >> notice & 1} == notices


def test_a_table_is_sorted_and_indexed_by_key() -> None:
    mixed = list(FACTORS)
    Random(1).shuffle(mixed)
    of = table(mixed)
    assert list(zip(of.key, of.region, of.year.tolist(), strict=True)) == sorted((f[1], f[2], f[3]) for f in FACTORS)
    for key, (start, stop) in of.index.items():
        assert {n for n, other in enumerate(of.key) if other == key} == set(range(start, stop))
    assert of.id.tolist() == TABLE.id.tolist()


def test_a_table_finds_its_factors_by_id() -> None:
    positions = TABLE.positions(np.array([17, 0, 11], np.uint32)).tolist()
    assert [TABLE.key[position] for position in (positions[0], positions[2])] == ["freight:truck", "material:steel"]
    assert positions[1] == len(TABLE)


def test_a_table_finds_the_uncertainty_of_its_factors_by_id() -> None:
    sigma2 = TABLE.sigma2_of(np.array([17, 0, 11], np.uint32))
    assert sigma2.tolist() == pytest.approx([(np.log(2) / 2) ** 2, 0.0, (np.log(1.05) / 2) ** 2])
    assert table(()).sigma2_of(np.array([0], np.uint32)).tolist() == [0.0]


def test_a_table_travels_to_another_process() -> None:
    copy = pickle.loads(pickle.dumps(TABLE))
    assert found(copy, "grid:electricity", "DE", 2022) == found(TABLE, "grid:electricity", "DE", 2022)
    assert copy.content_hash == TABLE.content_hash
