"""A sample file of activities: made up, the same every time, and as uneven as real ones.

Amounts are log-normal, few suppliers make most of the rows, and about one row in a hundred is wrong in some way.
"""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp
from pathlib import Path
from random import Random

from vcci_client.fields import SCORES

SEED = 20240101
SUPPLIERS = 10_000
ACTIVITIES = 50_000
QUARTERS = tuple(f"{year}-Q{quarter}" for year in (2023, 2024) for quarter in (1, 2, 3, 4))
COLUMNS = (
    *("supplier_code", "supplier_name", "country", "category", "reporting_period", "quantity", "unit", "factor"),
    *("supplier_factor", "distance", "nights", *SCORES, "reference"),
)

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of activity: its part of the rows, and its amounts (median, and sigma of the logarithm)."""

    share: float
    category: int
    factors: Sequence[str]
    unit: str
    median: float
    sigma: float
    input_name: str = ""
    input_median: float = 0.0
    input_sigma: float = 0.0


GOODS = ("325211", "326111", "327310", "331110", "332312", "332710", "334413", "311612", "313210", "322121", "541512")
SERVICES = ("511210", "518210", "541110", "541611", "541810", "561320", "561612", "561720", "524126", "722320")
CAPITAL = ("333120", "333415", "334111", "336111", "335312", "236220", "238210")
MATERIALS = (
    "aluminium",
    "steel",
    "steel_recycled",
    "concrete",
    "glass",
    "paper",
    "board",
    "hdpe",
    "pet",
    "pvc",
    "wood",
)
FUELS = ("diesel_upstream", "petrol_upstream", "gas_oil_upstream", "heating_oil_upstream", "lpg_upstream")
FREIGHT = ("road_hgv_average", "road_artic_average", "road_van_average", "rail", "sea_container", "air_long_haul_rf")
WASTE = ("commercial_landfill", "board_recycling", "plastic_recycling", "metal_recycling", "food_composting")
TRAVEL = ("air_short_haul_economy_rf", "air_long_haul_economy_rf", "air_long_haul_business_rf", "rail_national", "taxi")
COMMUTING = ("car_average", "car_electric", "car_petrol", "car_diesel")
COUNTRIES = ("US", "DE", "GB", "FR", "CN", "IN", "JP", "IT", "ES", "NL", "CA", "MX", "BR", "AU")

KINDS = (
    Kind(0.32, 1, [f"naics:{code}" for code in GOODS], "USD", 9_000, 1.6),
    Kind(0.14, 1, [f"naics:{code}" for code in SERVICES], "USD", 5_000, 1.5),
    Kind(0.06, 2, [f"naics:{code}" for code in CAPITAL], "USD", 40_000, 1.4),
    Kind(0.11, 1, [f"material:{code}" for code in MATERIALS], "kg", 2_500, 1.4),
    Kind(0.06, 1, [""], "kg", 1_800, 1.2, "supplier_factor", 2.1, 0.5),
    Kind(0.05, 3, [f"fuel:{code}" for code in FUELS], "litre", 2_000, 1.2),
    Kind(0.10, 4, [f"freight:{code}" for code in FREIGHT], "tonne", 6, 1.0, "distance", 420, 0.9),
    Kind(0.05, 5, [f"waste:{code}" for code in WASTE], "tonne", 2.5, 1.1),
    Kind(0.05, 6, [f"travel:{code}" for code in TRAVEL[:3]], "passenger", 3, 0.8, "distance", 1_900, 0.9),
    Kind(0.01, 6, [f"travel:{code}" for code in TRAVEL[3:]], "passenger", 4, 0.8, "distance", 120, 0.7),
    Kind(0.01, 6, ["hotel:night"], "room", 2, 0.6, "nights", 2.5, 0.5),
    Kind(0.02, 7, [f"travel:{code}" for code in COMMUTING], "km", 4_000, 0.9),
    Kind(0.02, 8, ["grid:electricity"], "MWh", 12, 1.1),
)

MISTAKES: tuple[Callable[[Row], Row], ...] = (
    lambda row: {"quantity": f"-{row['quantity']}"},
    lambda row: {"factor": "naics:999999", "supplier_factor": ""},
    lambda row: {"unit": "crate"},
    lambda row: {"unit": "kWh", "factor": "material:steel", "supplier_factor": ""},
    lambda row: {"supplier_code": ""},
    lambda row: {"quantity": f"{row['quantity']} approx."},
    lambda row: {"quantity": ""},
    lambda row: {"reporting_period": "1887-03-01"},
    lambda row: {"reporting_period": "2024-13-45"},
    lambda row: {"category": "21"},
)
MISTAKEN = 0.018  # of the rows of the frequent suppliers: about one in a hundred of all

_FIRST = ("Amber", "Blue", "Cedar", "Copper", "Delta", "Eastern", "Granite", "Harbour", "Ivory", "Juniper", "Lowland")
_SECOND = (
    "Bearings",
    "Castings",
    "Cables",
    "Fasteners",
    "Freight",
    "Packaging",
    "Polymers",
    "Pumps",
    "Services",
    "Steel",
)


def write_sample(path: Path, *, suppliers: int = SUPPLIERS, activities: int = ACTIVITIES) -> None:
    """Write the sample as CSV; every supplier has at least one row."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows(suppliers, activities))


def rows(suppliers: int, activities: int) -> list[Row]:
    """Return the rows of the sample."""
    random = Random(SEED)  # noqa: S311  a sample, not a secret
    who = _suppliers_of_rows(random, suppliers, activities)
    what = random.choices(KINDS, [kind.share for kind in KINDS], k=activities)
    made = [_row(random, number, *pair) for number, pair in enumerate(zip(who, what, strict=True))]
    for row, supplier in zip(made, who, strict=True):
        if supplier < suppliers // 4 and random.random() < MISTAKEN:  # those have other rows, too
            row |= random.choice(MISTAKES)(row)
    return made


def _suppliers_of_rows(random: Random, suppliers: int, activities: int) -> list[int]:
    """Return each row's supplier: every one once, and then the first ones far more often than the last."""
    who = [*range(suppliers), *(int(suppliers * random.random() ** 3) for _ in range(activities - suppliers))]
    random.shuffle(who)
    return who


def _row(random: Random, number: int, supplier: int, kind: Kind) -> Row:
    row = {
        "supplier_code": f"S-{supplier:05d}",
        "supplier_name": f"{_FIRST[supplier % len(_FIRST)]} {_SECOND[supplier % len(_SECOND)]} {supplier:05d}",
        "country": COUNTRIES[supplier * 7 % len(COUNTRIES)],
        "category": str(kind.category),
        "reporting_period": _period(random),
        "quantity": _amount(random, kind.median, kind.sigma),
        "unit": kind.unit,
        "factor": random.choice(kind.factors),
        "reference": f"INV-{number:06d}",
    }
    if kind.input_name:
        row[kind.input_name] = _amount(random, kind.input_median, kind.input_sigma)
    if number % 10:  # the others say nothing of their quality
        row |= dict(zip(SCORES, random.choices("12345", (30, 35, 20, 10, 5), k=len(SCORES)), strict=True))
    return row


def _period(random: Random) -> str:
    """Return a quarter, or a day in it."""
    quarter = random.choice(QUARTERS)
    if random.random() < 0.5:
        return quarter
    return f"{quarter[:4]}-{int(quarter[-1]) * 3 - random.randrange(3):02}-{random.randint(1, 28):02}"


def _amount(random: Random, median: float, sigma: float) -> str:
    return f"{max(median * exp(sigma * random.gauss(0, 1)), 0.01):.2f}"
