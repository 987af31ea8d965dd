"""A real customer's file through the spend-based method: every row accounted for, the total exact."""

import csv
from datetime import datetime

import numpy as np
import pytest
from vcci_engine.calculate import calculate
from vcci_engine.dates import EPOCH
from vcci_engine.factors import FactorTable, build_table
from vcci_engine.results import Reason
from vcci_engine.segments import cut
from vcci_engine.totals import total

from tests.data_files import shared_data
from tests.engine.samples import Row, batch, part


@pytest.fixture(scope="module")
def factors() -> FactorTable:
    """The EPA's factors with margins, kg CO2e per USD of 2022."""
    path = shared_data("SupplyChainGHGEmissionFactors_v1.3.0_NAICS_CO2e_USD2022.csv")
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    return build_table(
        1,
        "hash",
        ids=range(1, len(lines) + 1),
        keys=[f"naics:{line['2017 NAICS Code']}" for line in lines],
        regions=["US"] * len(lines),
        years=[2022] * len(lines),
        units=["USD"] * len(lines),
        kg_co2e=[float(line["Supply Chain Emission Factors with Margins"]) for line in lines],
        gsd2=[1.05] * len(lines),
    )


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    with shared_data("real_spend_sample.csv").open(encoding="utf-8", newline="") as file:
        return [
            Row(
                quantity=float(line["amount"]),
                unit=line["currency"],
                factor=f"naics:{line['naics_code']}",
                period=days(line["date"]),
                supplier=line["supplier_id"],
                country=line["country"],
            )
            for line in csv.DictReader(file)
        ]


def days(text: str) -> int:
    form = "%m/%d/%y" if "/" in text else "%Y-%m-%d"
    return (datetime.strptime(text, form).date() - EPOCH).days


def test_the_real_file_gives_its_control_total(factors: FactorTable, rows: list[Row]) -> None:
    calculation = calculate(batch(*rows), factors)
    emissions, reasons = calculation.emissions, list(calculation.errors.reason)
    assert (len(emissions), len(calculation.errors)) == (5650, 394)
    assert (reasons.count(Reason.NEGATIVE), reasons.count(Reason.UNKNOWN_FACTOR)) == (391, 3)
    assert total(emissions, factors).kg_co2e == pytest.approx(1_351_494_431.31556, rel=1e-14)
    assert (emissions.method == 3).all()


def test_the_real_file_in_batches_of_any_size_gives_the_same_micrograms(factors: FactorTable, rows: list[Row]) -> None:
    activities = batch(*rows)
    ids = np.arange(len(activities.suppliers.codes), dtype=np.int32)
    totals = set()
    for size in (500, 1777, len(rows)):
        segments = [
            segment
            for start in range(0, len(rows), size)
            for segment in cut(
                calculate(part(activities, start, start + size), factors).emissions, ids, activities.units, start
            )
        ]
        totals.add((sum(segment.n for segment in segments), sum(segment.ug_co2e for segment in segments)))
    assert len(totals) == 1
    assert totals.pop()[1] / 10**9 == pytest.approx(1_351_494_431.31556, rel=1e-14)
