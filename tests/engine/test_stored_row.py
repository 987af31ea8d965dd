"""One row out of a segment is the row that was cut, and calculates to the same bits again."""

import numpy as np
from hypothesis import given
from vcci_engine.activities import Activities
from vcci_engine.calculate import calculate
from vcci_engine.quality import unpack
from vcci_engine.segments import decode, merge
from vcci_engine.stored_row import activities_of, stored_at
from vcci_engine.suppliers import Suppliers

from tests.engine.samples import GOOD_BATCHES, TABLE
from tests.engine.test_segments import cut_batch, lines_of


@given(GOOD_BATCHES)
def test_a_row_is_as_it_was_stored(activities: Activities) -> None:
    for segment in merge(cut_batch(activities, 3, 4)):
        for place, line in enumerate(lines_of(segment)):
            row = stored_at(segment, place)
            assert (row.supplier_id, row.category, row.method, row.period) == line[1:5]
            assert (row.quantity, row.unit, row.factor_id) == line[5:8]
            assert row.quality == unpack(np.array([line[8]], np.uint16))[0]
            assert (row.kg_co2e, row.sigma, row.notices) == line[9:12]
            assert (row.group, row.reference) == line[12:14]
            assert tuple(sorted(row.inputs.items())) == line[14]


@given(GOOD_BATCHES)
def test_a_row_calculated_again_gives_the_same_bits(activities: Activities) -> None:
    keys = dict(zip(TABLE.id.tolist(), TABLE.key, strict=True))
    regions = dict(zip(TABLE.id.tolist(), TABLE.region, strict=True))
    for segment in cut_batch(activities, 0, 5_000):
        for place in range(segment.n):
            row = stored_at(segment, place)
            supplier = Suppliers.of(["S"], ["S"], [regions.get(row.factor_id, "")])
            again = calculate(activities_of(row, supplier, keys.get(row.factor_id, "")), TABLE)
            assert not len(again.errors)
            assert again.emissions.kg_co2e[0] == decode("kg_co2e", segment.columns["kg_co2e"])[place]
            assert again.emissions.sigma[0] == decode("sigma", segment.columns["sigma"])[place]
