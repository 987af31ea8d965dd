"""Reads the investments of a period (category 15): what is outstanding, and how good its data is, by industry."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import fsum

import numpy as np
from vcci.v1 import emission_service_pb2 as pb
from vcci_engine.activities import FloatArray

from vcci_server.emission_groups import method_label
from vcci_server.report.facts import Amount, Facts, Holding
from vcci_server.report.question import Question
from vcci_server.storage.passes import Tally, combine_tallies, no_tally, pass_over, tally
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.reading import Filter, StoredSegment
from vcci_server.storage.sums import chosen_columns, columns_for
from vcci_server.stored_pieces import Piece, inputs_of, pieces_of

INVESTMENTS = 15
BY = ("method", "supplier", "factor")
SUMS = 4  # of a tally: kg CO2e, outstanding, outstanding of what has a score, score x outstanding
MOST_PORTFOLIOS = 100


async def read_investments(of: Question, facts: Facts) -> None:
    """Fill the holdings, and the portfolios (groups) with their intervals."""
    if not any(amount.keys == (str(INVESTMENTS),) for amount in facts.categories):
        return
    of = replace(of, chosen=replace(of.chosen, categories=(INVESTMENTS,)))
    segments = await of.segments(sorted({*columns_for(of.chosen, BY), "inputs"}))
    of_chunk = partial(investment_tally, chosen=of.chosen)
    found = await pass_over(of.run, segments, of_chunk, combine_tallies, no_tally(len(BY), SUMS))
    rows = await of.db.fetch(QUERIES["supplier_industries"], of.tenant_id)
    industries = {row["supplier_id"]: row["industry"] for row in rows}
    facts.holdings = await of.run(holdings, found, industries, await of.tonnes(found.keys[2], found.amounts(0)))
    groups = await of.totals(pb.DIMENSION_GROUP, limit=MOST_PORTFOLIOS)
    facts.portfolios = [Amount.of(group) for group in groups.groups]


def investment_tally(segments: Sequence[StoredSegment], *, chosen: Filter) -> Tally:
    """Sum kg CO2e, what is outstanding, that of lines with a score, and score x outstanding."""
    columns = chosen_columns(segments, chosen, (*BY, "kg_co2e"))
    if not len(columns["kg_co2e"]):
        return no_tally(len(BY), SUMS)
    pieces = pieces_of(segments, chosen)
    outstanding, score = (_given(pieces, name) for name in ("outstanding", "pcaf_score"))
    scored = np.where(score > 0, outstanding, 0.0)
    return tally([columns[name] for name in BY], [columns["kg_co2e"], outstanding, scored, scored * score])


def _given(pieces: Sequence[Piece], name: str) -> FloatArray:
    """Return an input by row, 0 where there is none."""
    values = np.zeros(sum(len(piece.rows) for piece in pieces))
    if name in (given := inputs_of(pieces)):
        rows, found = given[name]
        values[rows] = found
    return values


def holdings(found: Tally, industries: Mapping[int, str], tonnes: Sequence[float]) -> list[Holding]:
    """Return the sums by method and industry."""
    sums: dict[tuple[int, str], list[tuple[float, ...]]] = defaultdict(list)
    methods, suppliers, _ = (key.tolist() for key in found.keys)
    amounts = (found.amounts(number).tolist() for number in range(1, SUMS))
    for method, supplier, *line in zip(methods, suppliers, found.rows.tolist(), tonnes, *amounts, strict=True):
        sums[method, industries.get(supplier, "")].append(tuple(line))
    return [
        Holding(
            method_label(method),
            industry,
            int(sum(of[0] for of in lines)),
            *(fsum(of[n] for of in lines) for n in range(1, 5)),
        )
        for (method, industry), lines in sorted(sums.items())
    ]
