"""Hotspots, from requests and to messages."""

from collections.abc import Iterable
from dataclasses import dataclass

from vcci.v1 import emission_service_pb2, hotspot_service_pb2
from vcci.v1 import hotspot_service_pb2 as pb
from vcci_engine.uncertainty import Estimate

from vcci_server.calculation_messages import estimate_message
from vcci_server.emission_filters import check_filter
from vcci_server.hotspot_groups import Ranks
from vcci_server.hotspot_outliers import Outlier, Outliers
from vcci_server.hotspot_quality import Improvement, QuadrantTotal, width
from vcci_server.hotspot_reading import Whole
from vcci_server.hotspot_trends import Change, YearChange
from vcci_server.validation import Problems

ANALYSES = pb.HotspotAnalysis.values()[1:]
COLUMNS = {
    emission_service_pb2.DIMENSION_UNSPECIFIED: "supplier",
    emission_service_pb2.DIMENSION_SUPPLIER: "supplier",
    emission_service_pb2.DIMENSION_CATEGORY: "category",
}
PARETO_SHARE = 0.8
TARGET_QUALITY = 0x22222
GROUPS = 20
MOST_GROUPS = 1_000
QUADRANTS = {
    (True, True): pb.QUADRANT_LARGE_POORLY_KNOWN,
    (True, False): pb.QUADRANT_LARGE_WELL_KNOWN,
    (False, True): pb.QUADRANT_SMALL_POORLY_KNOWN,
    (False, False): pb.QUADRANT_SMALL_WELL_KNOWN,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, checked, with what stands for what it leaves open."""

    by: str
    analyses: frozenset[int]
    pareto_share: float
    target_quality: int
    limit: int


def check_analyze(request: pb.AnalyzeHotspotsRequest) -> Asked:
    """Return what is asked, or raise InvalidFields."""
    problems = Problems()
    check_filter(request.filter, problems)
    if request.dimension not in COLUMNS:
        problems.add("dimension", request.dimension, "DIMENSION_SUPPLIER or DIMENSION_CATEGORY", "OUT_OF_RANGE")
    for number, analysis in enumerate(request.analyses):
        if analysis not in ANALYSES:
            problems.add(f"analyses[{number}]", analysis, "an analysis", "OUT_OF_RANGE")
    if not 0 <= request.pareto_share <= 1:
        problems.add("pareto_share", request.pareto_share, "above 0, up to 1; or 0: 0.8", "OUT_OF_RANGE")
    if request.target_quality and not _is_quality(request.target_quality):
        expected = "five hexadecimal digits of 1 to 5; or 0: 0x22222"
        problems.add("target_quality", f"{request.target_quality:#x}", expected, "OUT_OF_RANGE")
    if request.limit < 0:
        problems.add("limit", request.limit, "0 or more", "OUT_OF_RANGE")
    problems.check()
    return Asked(
        by=COLUMNS[request.dimension],
        analyses=frozenset(request.analyses or ANALYSES),
        pareto_share=request.pareto_share or PARETO_SHARE,
        target_quality=request.target_quality or TARGET_QUALITY,
        limit=min(request.limit or GROUPS, MOST_GROUPS),
    )


def group_message(label: str, rows: int, estimate: Estimate) -> emission_service_pb2.EmissionGroup:
    """Return a group with a key, or the total with none."""
    keys = [label] if label else []
    return emission_service_pb2.EmissionGroup(keys=keys, rows=rows, estimate=estimate_message(estimate))


def pareto_message(ranks: Ranks) -> pb.ParetoAnalysis:
    """Return the Pareto set and the largest groups."""
    groups = [
        pb.ParetoGroup(
            group=group_message(group.label, group.rows, group.estimate),
            share=group.share,
            cumulative_share=group.cumulative_share,
            in_set=place < ranks.pareto.groups,
        )
        for place, group in enumerate(ranks.groups)
    ]
    return pb.ParetoAnalysis(
        groups=groups,
        set_group_count=ranks.pareto.groups,
        set_kg_co2e=ranks.pareto.ug_co2e / 10**9,
        group_count=ranks.group_count,
    )


def concentration_message(ranks: Ranks) -> pb.Concentration:
    """Return how unequal the groups are."""
    of = ranks.concentration
    return pb.Concentration(
        gini=of.gini, herfindahl=of.herfindahl, effective_groups=of.effective_groups, largest_share=of.largest_share
    )


def quality_message(
    total: Whole, groups: Iterable[Improvement], quadrants: Iterable[QuadrantTotal]
) -> pb.DataQualityAnalysis:
    """Return what better data would do."""
    interval = width(total.estimate)
    return pb.DataQualityAnalysis(
        groups=(_improvement(group, interval) for group in groups),
        interval_kg_co2e=interval,
        quadrants=(
            pb.QuadrantTotal(
                quadrant=QUADRANTS[of.quadrant],
                group_count=of.groups,
                kg_co2e=of.kg_co2e,
                narrowing_kg_co2e=of.narrowing_kg_co2e,
            )
            for of in quadrants
        ),
    )


def _improvement(group: Improvement, interval: float) -> pb.DataQualityGroup:
    return pb.DataQualityGroup(
        group=group_message(group.label, group.rows, group.estimate),
        quadrant=QUADRANTS[group.quadrant],
        data_quality_gsd2=group.gsd2,
        narrowing_kg_co2e=group.narrowing_kg_co2e,
        narrowing_share=group.narrowing_kg_co2e / interval if interval else 0.0,
        total_with_better_data=estimate_message(group.total),
    )


def year_message(of: YearChange) -> pb.YearChange:
    """Return the change of a year."""
    categories = (pb.CategoryChange(category=number, **_parts(change)) for number, change in of.categories.items())  # type: ignore[arg-type]
    return pb.YearChange(year=of.year, previous_year=of.previous_year, categories=categories, **_parts(of.change))


def _parts(of: Change) -> dict[str, float]:
    return {
        "kg_co2e": of.kg_co2e,
        "previous_kg_co2e": of.previous_kg_co2e,
        "activity_kg_co2e": of.activity,
        "mix_kg_co2e": of.mix,
        "factor_kg_co2e": of.factor,
        "unknown_kg_co2e": of.unknown,
    }


def outliers_message(of: Outliers, codes: dict[int, str], limit: int) -> pb.OutlierAnalysis:
    """Return the suppliers unlike their peers."""
    return pb.OutlierAnalysis(
        outliers=(_outlier(outlier, codes[outlier.supplier]) for outlier in of.found[:limit]),
        outlier_count=len(of.found),
        compared_count=of.compared,
        not_compared_count=of.not_compared,
    )


def _outlier(of: Outlier, code: str) -> hotspot_service_pb2.Outlier:
    return pb.Outlier(
        supplier_code=code,
        industry=of.industry,
        category=of.category,  # type: ignore[arg-type]
        unit=of.unit,
        kg_co2e_per_unit=of.kg_co2e_per_unit,
        peer_median_kg_co2e_per_unit=of.peer_median,
        score=of.score,
        peers=of.peers,
        kg_co2e=of.kg_co2e,
    )


def _is_quality(scores: int) -> bool:
    return scores <= 0x55555 and all(1 <= scores >> 4 * place & 0xF <= 5 for place in range(5))
