"""Reads the investments of a period (category 15): what is outstanding, and how good its data is, by industry."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import fsum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from vcci.v1 import emission_service_pb2 as pb
from vcci_engine.activities import FloatArray
from vcci_engine.dates import EPOCH
from vcci_engine.groups import AMOUNTS

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
KEYS = (*BY, "investment", "score")  # of a tally of kg CO2e and of what is outstanding
SUMS = 2
SCORE_UNIT = 1e-6  # a score is a key
NUMBER_BITS = 40  # of an investment's number among those of a supplier: keys of a tally are to be small
MIX = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no bit is lost: 2^64 / the golden ratio
MOST_PORTFOLIOS = 100


async def read_investments(of: Question, facts: Facts) -> None:
    """Fill the holdings, and the portfolios (groups) with their intervals."""
    if not any(amount.keys == (str(INVESTMENTS),) for amount in facts.categories):
        return
    of = replace(of, chosen=replace(of.chosen, categories=(INVESTMENTS,)))
    segments = await of.segments(sorted({*columns_for(of.chosen, BY), "inputs", "period"}))
    of_chunk = partial(investment_tally, chosen=of.chosen)
    found = await pass_over(of.run, segments, of_chunk, combine_tallies, no_tally(len(KEYS), SUMS))
    rows = await of.db.fetch(QUERIES["supplier_industries"], of.tenant_id)
    industries = {row["supplier_id"]: row["industry"] for row in rows}
    facts.holdings = await of.run(holdings, found, industries, await of.tonnes(found.keys[2], found.amounts(0)))
    groups = await of.totals(pb.DIMENSION_GROUP, limit=MOST_PORTFOLIOS)
    facts.portfolios = [Amount.of(group) for group in groups.groups]


def investment_tally(segments: Sequence[StoredSegment], *, chosen: Filter) -> Tally:
    """Sum kg CO2e and what is outstanding by investment and score."""
    columns = chosen_columns(segments, chosen, (*BY, "kg_co2e"))
    if not len(columns["kg_co2e"]):
        return no_tally(len(KEYS), SUMS)
    pieces = pieces_of(segments, chosen)
    amounts = [_given(pieces, name) for name in AMOUNTS]
    investment = np.where(amounts[0] > 0, _investments(pieces, amounts), 0)
    score = np.rint(_given(pieces, "pcaf_score") / SCORE_UNIT).astype(np.int64)
    return tally([*(columns[name] for name in BY), investment, score], [columns["kg_co2e"], amounts[0]])


def _investments(pieces: Sequence[Piece], amounts: Sequence[FloatArray]) -> npt.NDArray[np.int64]:
    """Return a number of each row that lines of one investment (engine: groups.Portfolio) of a supplier share."""
    first = [(piece.segment.position.quarter - EPOCH).days for piece in pieces]
    days = [piece.column("period").astype(np.float64) + day for piece, day in zip(pieces, first, strict=True)]
    mixed = np.zeros(len(amounts[0]), np.uint64)
    for values in (np.concatenate(days), *amounts):
        mixed = (mixed ^ (mixed >> np.uint64(31)) ^ values.view(np.uint64)) * MIX
    return (mixed >> np.uint64(64 - NUMBER_BITS)).astype(np.int64)


def _given(pieces: Sequence[Piece], name: str) -> FloatArray:
    """Return an input by row, 0 where there is none."""
    values = np.zeros(sum(len(piece.rows) for piece in pieces))
    if name in (given := inputs_of(pieces)):
        rows, found = given[name]
        values[rows] = found
    return values


def holdings(found: Tally, industries: Mapping[int, str], tonnes: Sequence[float]) -> list[Holding]:
    """Return the sums by method and industry: an investment counts once, with the worst of its scores."""
    investments: dict[tuple[int, int, int], list[_Lines]] = defaultdict(list)
    methods, suppliers, _, numbers, scores = (key.tolist() for key in found.keys)
    lines = zip(found.rows.tolist(), tonnes, found.amounts(1).tolist(), scores, strict=True)
    for method, supplier, number, line in zip(methods, suppliers, numbers, lines, strict=True):
        investments[method, supplier, number].append(_Lines(*line))
    sums: dict[tuple[int, str], list[tuple[float, ...]]] = defaultdict(list)
    rows: Counter[tuple[int, str]] = Counter()
    for (method, supplier, _), of in investments.items():
        place = method, industries.get(supplier, "")
        count, score = sum(some.rows for some in of), max(some.score for some in of) * SCORE_UNIT
        outstanding = fsum(some.outstanding for some in of) / count
        scored = outstanding if score else 0.0
        sums[place].append((fsum(some.tonnes for some in of), outstanding, scored, scored * score))
        rows[place] += count
    return [
        Holding(method_label(method), industry, rows[method, industry], *map(fsum, zip(*of, strict=True)))
        for (method, industry), of in sorted(sums.items())
    ]


class _Lines(NamedTuple):
    """Lines of one investment: each has the whole amount that is outstanding."""

    rows: int
    tonnes: float
    outstanding: float  # times the rows
    score: int  # in SCORE_UNIT; 0: none
