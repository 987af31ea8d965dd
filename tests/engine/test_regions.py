"""Regions between a country and the world: which countries they have, and which factor is taken."""

from collections import Counter

import pytest
from vcci_engine.calculate import calculate
from vcci_engine.countries import ALPHA_2
from vcci_engine.regions import MEMBERS, NAMES, is_region, named
from vcci_engine.results import Notice, Reason

from tests.engine.samples import Row, batch, table

SUB_REGIONS = {code for code, name in NAMES.items() if len(MEMBERS[code]) < 30 and code not in ("EU", "009")}
REGIONS = ("DE", "155", "EU", "150", "")
ID = {region: number for number, region in enumerate(REGIONS, 1)}


def used(country: str, *without: str) -> tuple[str, set[Notice]]:
    """Return the region of the factor that a supplier's country gets, of those that are there, and the notices."""
    rows = [(ID[region], "grid:power", region, 2023, "kWh", 1.0, 1.05) for region in REGIONS if region not in without]
    emissions = calculate(batch(Row(method=2, unit="kWh", factor="grid:power", country=country)), table(rows)).emissions
    return REGIONS[emissions.factor[0] - 1], {notice for notice in Notice if emissions.notices[0] >> notice & 1}


def test_every_country_is_in_one_sub_region_but_antarctica() -> None:
    counted = Counter(country for code in SUB_REGIONS for country in MEMBERS[code])
    assert set(ALPHA_2.values()) - counted.keys() == {"AQ"}
    assert set(counted.values()) == {1}


def test_the_large_regions_hold_the_sub_regions() -> None:
    assert {code: len(MEMBERS[code]) for code in ("002", "009", "019", "142", "150", "202", "419", "EU")} == {
        "002": 60,
        "009": 29,
        "019": 57,
        "142": 51,
        "150": 51,
        "202": 53,
        "419": 52,
        "EU": 27,
    }
    assert sum(len(MEMBERS[code]) for code in ("002", "009", "019", "142", "150")) == len(set(ALPHA_2.values())) - 1


@pytest.mark.parametrize(
    ("country", "region", "notices"),
    [
        ("DE", "DE", set()),
        ("FR", "155", {Notice.WIDER_REGION_FACTOR}),  # in the EU and in Europe too: the fewest countries
        ("PL", "EU", {Notice.WIDER_REGION_FACTOR}),
        ("CY", "EU", {Notice.WIDER_REGION_FACTOR}),  # in Western Asia, not in Europe
        ("NOR", "150", {Notice.WIDER_REGION_FACTOR}),
        ("US", "", {Notice.WORLD_FACTOR}),
        ("", "", {Notice.WORLD_FACTOR}),
    ],
)
def test_the_narrowest_region_with_a_factor_is_taken(country: str, region: str, notices: set[Notice]) -> None:
    assert used(country) == (region, notices)


def test_what_is_not_there_is_passed_over() -> None:
    assert used("DE", "DE") == ("155", {Notice.WIDER_REGION_FACTOR})
    assert used("DE", "DE", "155", "EU") == ("150", {Notice.WIDER_REGION_FACTOR})
    assert used("DE", "DE", "155", "EU", "150") == ("", {Notice.WORLD_FACTOR})
    assert used("", "DE", "155", "EU", "150") == ("", set()), "no country was named"


def test_a_wider_region_stands_for_every_other_country_when_it_is_the_only_one() -> None:
    assert used("PL", "DE", "155", "150", "") == ("EU", {Notice.WIDER_REGION_FACTOR})
    assert used("US", "DE", "155", "150", "") == ("EU", {Notice.OTHER_REGION_FACTOR})


def test_a_country_outside_of_all_regions_has_no_factor() -> None:
    rows = [(1, "grid:power", "DE", 2023, "kWh", 1.0, 1.05), (2, "grid:power", "150", 2023, "kWh", 1.0, 1.05)]
    errors = calculate(batch(Row(unit="kWh", factor="grid:power", country="US")), table(rows)).errors
    assert errors.reason == (Reason.NO_FACTOR_FOR_REGION,)
    assert errors.expected[0].endswith("the key has factors for 150, DE")


@pytest.mark.parametrize("region", ["", "DE", "EU", "150", "155"])
def test_regions_of_factors_are_codes(region: str) -> None:
    assert is_region(region)


@pytest.mark.parametrize("region", ["de", "DEU", "Europe", "001", "999", "eu"])
def test_other_texts_are_no_regions(region: str) -> None:
    assert not is_region(region)


def test_regions_have_names_for_people() -> None:
    assert [named(region) for region in ("", "DE", "EU", "155")] == [
        "the world",
        "DE",
        "EU (European Union)",
        "155 (Western Europe)",
    ]
