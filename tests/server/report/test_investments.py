"""What a report says of investments: each counts once, however its lines are stored."""

from datetime import timedelta

import numpy as np
import pytest
from vcci_engine.calculate import calculate
from vcci_engine.dates import EPOCH
from vcci_engine.groups import group_totals
from vcci_engine.segments import COLUMNS, cut
from vcci_server.report.reading_investments import KEYS, SUMS, holdings, investment_tally
from vcci_server.storage.passes import combine_tallies, no_tally
from vcci_server.storage.reading import Filter, Position, StoredSegment

from tests.engine.samples import TABLE, Row, batch


def line(t: float, supplier: str, score: float, outstanding: float = 30.0, **fields: object) -> Row:
    inputs = {"outstanding": outstanding, "evic": 60.0, **({"pcaf_score": score} if score else {})}
    of: dict[str, object] = {"unit": "t CO2e", "factor": "", "category": 15, "method": 42, "group": "fund"}
    return Row(quantity=t, supplier=supplier, inputs=inputs, **(of | fields))  # type: ignore[arg-type]


LINES = (
    line(100, "A", 1),
    line(20, "A", 3),  # of the same investment
    line(5, "A", 0, outstanding=12.0),
    line(40, "B", 5),
    line(40, "B", 2, period="2024-02-01"),  # in another period
    line(60, "C", 2.5),
    Row(3, "t CO2e", "", 15, supplier="D", method=42, group="fund", inputs={"share": 0.5}),
)


def segments() -> list[StoredSegment]:
    activities = batch(*LINES)
    ids = np.arange(len(activities.suppliers), dtype=np.int32)
    found = cut(calculate(activities, TABLE).emissions, ids, activities.units, 0, 2)
    return [
        StoredSegment(
            Position(1, 0, 0, number, EPOCH + timedelta(days=segment.quarter)),
            segment.n,
            segment.units,
            {**{name: bytes(segment.columns[name]) for name, _ in COLUMNS}, "inputs": segment.inputs},
        )
        for number, segment in enumerate(found)
    ]


@pytest.mark.parametrize("apart", [False, True])
def test_an_investment_counts_once_with_the_worst_of_its_scores(apart: bool) -> None:
    stored = segments()
    assert len(stored) > 2
    chunks = [[segment] for segment in stored] if apart else [stored]
    tallies = [investment_tally(chunk, chosen=Filter()) for chunk in chunks]
    tally = combine_tallies([no_tally(len(KEYS), SUMS), *tallies])
    (of,) = holdings(tally, {}, (tally.amounts(0) / 1000).tolist())
    (group,) = group_totals(calculate(batch(*LINES), TABLE).emissions, TABLE)
    portfolio = group.portfolio
    assert portfolio is not None
    assert (of.rows, of.outstanding) == (len(LINES), portfolio.outstanding) == (7, 30 + 12 + 30 + 30 + 30)
    assert of.tonnes == pytest.approx(group.estimate.kg_co2e / 1000)
    assert of.weighted_score / of.scored == pytest.approx(portfolio.data_quality_score)
    assert of.scored == 120
