"""What hotspots need of every row: pure functions over segments, for a thread or Ray."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from vcci_engine.improvement import QualityArray, Sensitivity, narrowing
from vcci_engine.quality import VARIANCE

from vcci_server.storage.passes import Tally, column, tally
from vcci_server.storage.reading import Filter, StoredSegment, selected
from vcci_server.storage.sums import Keys, Sums, combine, sum_segments

NOW, BETTER = 0, 1  # keys of `better_sums`
KG, NARROWING, WEIGHT, WEIGHTED_VARIANCE = range(4)  # amounts of `quality_tally`
QUANTITY = 1  # amount of `intensity_tally`, behind KG


def quality_tally(
    segments: Sequence[StoredSegment],
    *,
    chosen: Filter,
    by: str,
    factors: Keys,
    width: Sensitivity,
    better: QualityArray,
) -> Tally:
    """Sum by supplier or category: kg, what better scores would narrow, |kg|, and |kg| x variance of the scores.

    `factors` are the ids, ascending, that the sensitivities are by; `better` is the table of `better_scores`.
    """
    kg = column(segments, chosen, "kg_co2e")
    quality = column(segments, chosen, "quality")
    factor = column(segments, chosen, "factor")
    gain = narrowing(kg, quality, better.take(quality), factor, np.searchsorted(factors, factor), width)
    weight = np.abs(kg)
    return tally([column(segments, chosen, by)], [kg, gain, weight, weight * VARIANCE.take(quality)])


def better_sums(segments: Sequence[StoredSegment], *, chosen: Filter, by: str, better: QualityArray) -> Sums:
    """Sum by supplier or category, factor, and NOW or BETTER: rows as they are, and with better scores."""
    improved = [_with_quality(segment, better) for segment in segments]
    parts = []
    for number, of in ((NOW, segments), (BETTER, improved)):
        sums = sum_segments(of, chosen, [by, "factor"])
        parts.append(Sums((*sums.keys, np.full(len(sums), number)), sums.terms))
    return combine(parts)


def intensity_tally(segments: Sequence[StoredSegment], *, chosen: Filter, units: Mapping[str, int]) -> Tally:
    """Sum kg and quantity by supplier, category and unit."""
    keys = [column(segments, chosen, name) for name in ("supplier", "category")]
    amounts = [column(segments, chosen, name) for name in ("kg_co2e", "quantity")]
    return tally([*keys, unit_numbers(segments, chosen, units)], amounts)


def unit_numbers(segments: Sequence[StoredSegment], chosen: Filter, units: Mapping[str, int]) -> Keys:
    """Return the number of each row's unit; `units` numbers every unit of the segments."""
    found = []
    for segment in segments:
        mask = selected(segment, chosen)
        numbers = np.array([units[text] for text in segment.units], np.int64).take(segment.column("unit"))
        found.append(numbers if mask is None else numbers[mask])
    return np.concatenate(found)


async def numbered(segments: AsyncIterator[StoredSegment], units: dict[str, int]) -> AsyncIterator[StoredSegment]:
    """Yield segments, each after its units have got numbers."""
    async for segment in segments:
        for text in segment.units:
            units.setdefault(text, len(units))
        yield segment


def _with_quality(segment: StoredSegment, better: QualityArray) -> StoredSegment:
    quality = better.take(segment.column("quality")).tobytes()
    return replace(segment, columns={**segment.columns, "quality": quality})
