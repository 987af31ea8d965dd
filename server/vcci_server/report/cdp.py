"""The report of kind "CDP C6": what questions C6.5 and C6.10 of CDP's climate change questionnaire ask.

Since 2024 these are questions 7.8 and 7.45. The wording of the questionnaire is not repeated.
"""

from vcci_engine.methods import CATEGORIES

from vcci_server.report import sections, words
from vcci_server.report.comparing import comparison
from vcci_server.report.cover import cover
from vcci_server.report.evidence import evidence
from vcci_server.report.facts import Facts
from vcci_server.report.figures import all_scopes, per_revenue
from vcci_server.report.layout import CATEGORY, NUMBER, by_category, primary_by_category, share
from vcci_server.report.model import Cell, Column, Report, Section, Table
from vcci_server.report.statements import NOT_PROVIDED, told

KIND = "cdp_c6"
STANDARD = "CDP, Climate Change Questionnaire, questions C6.5 and C6.10 (since 2024 questions 7.8 and 7.45)"
# Methods that the questionnaire offers by other names, by ours.
OFFERED = {
    "supplier_specific": "Supplier-specific method",
    "average_data": "Average data method",
    "spend_based": "Spend-based method",
    "hybrid": "Hybrid method",
    "hybrid_partial": "Hybrid method",
    "fuel_based": "Fuel-based method",
    "distance_based": "Distance-based method",
    "site_specific_distribution": "Site-specific method",
    "site_specific_processing": "Site-specific method",
    "waste_type_specific": "Waste-type-specific method",
    "asset_specific": "Asset-specific method",
    "lessor_specific": "Lessor-specific method",
    "franchise_specific": "Franchise-specific method",
    "direct_use_phase": "Methodology for direct use phase emissions",
    "indirect_use_phase": "Methodology for indirect use phase emissions",
}
INVESTMENTS = 15
SCOPE_3 = (
    "One row for each category. Evaluation statuses and explanations are stated by the organization. The percentage is "
    "the part of the emissions that was calculated with suppliers' own factors, or that suppliers reported."
)
INTENSITY = (
    "C6.10 asks for combined gross Scope 1 and 2 emissions per unit of revenue. They and the revenue are stated by the "
    "organization; Scope 3 per unit of revenue is added from this inventory."
)


def cdp(facts: Facts) -> Report:
    """Return the report."""
    return Report(
        kind=KIND,
        title="CDP climate change: C6.5 and C6.10",
        subtitle=facts.organization,
        facts=cover(facts, STANDARD),
        sections=(
            sections.summary(facts, words.THREE_NUMBERS),
            Section("C6.5 Gross Scope 3 emissions", (SCOPE_3, _scope_3(facts))),
            Section("C6.10 Emissions intensities", (INTENSITY, _intensity(facts), all_scopes(facts))),
            sections.categories(facts),
            sections.over_time(facts, comparison(facts)),
            sections.quality(facts),
            sections.uncertainty(facts),
            sections.methods(facts),
            *evidence(facts),
        ),
        sources=(STANDARD, words.STANDARD, words.GUIDANCE, *words.UNCERTAINTY_SOURCES),
    )


def _scope_3(facts: Facts) -> Table:
    found, first_hand = by_category(facts.categories), primary_by_category(facts)
    rows: list[tuple[Cell, ...]] = []
    for number in range(1, CATEGORIES + 1):
        of, stated = found.get(number), facts.statements.of(number)
        figures = (None, None) if of is None else (of.tonnes, share(first_hand.get(number, 0.0), of.tonnes))
        told_of = told(stated.status), figures[0], _methodology(facts, number), figures[1], told(stated.explanation)
        rows.append((number, words.category_name(number), *told_of))
    columns = (
        *(NUMBER, CATEGORY, Column("status", "Evaluation status")),
        *(Column("t_co2e", "Metric tons CO2e", "tonnes"), Column("methodology", "Calculation methodology")),
        Column("primary_share", "From suppliers or partners", "share"),
        Column("explanation", "Please explain"),
    )
    total = (None, "Total", None, facts.total.tonnes, None, None, None)
    return Table("c6_5", "C6.5: gross global Scope 3 emissions", columns, tuple(rows), total, words.NO_LINES)


def _methodology(facts: Facts, category: int) -> str | None:
    """Return the methods of a category as the questionnaire names them, those with the most emissions first."""
    used = sorted((of for of in facts.methods if int(of.keys[0]) == category), key=lambda of: -of.tonnes)
    named = dict.fromkeys(_offered(of.keys[1], category) for of in used)
    return "; ".join(named) or None


def _offered(method: str, category: int) -> str:
    if category == INVESTMENTS and method not in OFFERED:
        return f"Investment-specific method ({words.method_name(method)})"
    return OFFERED.get(method) or f"Other: {words.method_name(method)}"


def _intensity(facts: Facts) -> Table:
    columns = (
        *(Column("intensity", "Intensity figure", "number"), Column("numerator", "Metric numerator")),
        *(Column("numerator_t_co2e", "Metric tons CO2e", "tonnes"), Column("denominator", "Metric denominator")),
        *(Column("denominator_total", "Unit total", "number"), Column("scope_2", "Scope 2 figure used")),
        *(Column("change", "Change from previous year", "share"), Column("direction", "Direction of change")),
        Column("reason", "Reason for change"),
    )
    return Table("c6_10", "C6.10: intensity per unit of revenue", columns, (_operations(facts), _value_chain(facts)))


def _operations(facts: Facts) -> tuple[Cell, ...]:
    stated = facts.statements
    used, scope_2 = ("market-based", stated.scope_2_market)
    if scope_2 is None:
        used, scope_2 = ("location-based", stated.scope_2_location)
    both = None if stated.scope_1 is None or scope_2 is None else stated.scope_1 + scope_2
    return (
        *(per_revenue(both, stated.net_revenue), "Gross combined Scope 1 and 2", both, *_revenue(facts)),
        *(used if scope_2 is not None else NOT_PROVIDED, None, NOT_PROVIDED, NOT_PROVIDED),
    )


def _value_chain(facts: Facts) -> tuple[Cell, ...]:
    stated = facts.statements
    now, old = (
        per_revenue(facts.total.tonnes, stated.net_revenue),
        per_revenue(facts.previous_tonnes, stated.previous_net_revenue),
    )
    changed = None if now is None or old is None else share(now - old, old)
    direction = (
        NOT_PROVIDED if changed is None else "Increased" if changed > 0 else "Decreased" if changed < 0 else "No change"
    )
    return (
        *(now, "Gross Scope 3", facts.total.tonnes, *_revenue(facts), "not applicable"),
        *(changed, direction, NOT_PROVIDED),
    )


def _revenue(facts: Facts) -> tuple[str, float | None]:
    stated = facts.statements
    return f"Unit total revenue, {stated.currency}" if stated.currency else "Unit total revenue", stated.net_revenue
