"""The report of kind "ESRS E1-6": Scope 3 as ESRS E1 asks, paragraphs 44 to 55 and AR 39 to AR 55.

Delegated Regulation (EU) 2023/2772, annex I. What is told of it here is in other words.
"""

from vcci_engine.methods import CATEGORIES

from vcci_server.report import sections, words
from vcci_server.report.comparing import amounts_over_time, base_note, compared, compared_columns
from vcci_server.report.cover import cover
from vcci_server.report.evidence import evidence
from vcci_server.report.facts import Facts
from vcci_server.report.figures import all_scopes, intensities
from vcci_server.report.layout import (
    CATEGORY,
    LINES,
    NUMBER,
    PRIMARY,
    SHARE,
    by_category,
    primary,
    primary_by_category,
    share,
)
from vcci_server.report.model import Cell, Column, Report, Section, Table
from vcci_server.report.statements import told

KIND = "esrs_e1_6"
STANDARD = "ESRS E1 Climate change, disclosure requirement E1-6 (Delegated Regulation (EU) 2023/2772, annex I)"
GROSS = (
    "Gross Scope 3 emissions by category (paragraphs 44(c) and 51; columns as in the table of AR 48). Which categories "
    "are significant is for the organization to judge (AR 46(d)); it is shown as stated. The columns of AR 48 for "
    "milestones and targets belong to E1-4 and are not filled from emissions. AR 39(d) wants the latest hundred-year "
    "global warming potentials of the IPCC: those used are told under Gases."
)
INTENSITY = (
    "Total emissions (paragraphs 44 and 52, AR 47) and their intensity per net revenue (paragraphs 53 to 55, AR 53). "
    "Gross Scope 3 emissions are from this inventory; the rest is stated by the organization."
)
BIOGENIC = (
    "CO2 from burning or decay of biomass in the value chain stands apart from gross Scope 3 emissions (AR 46(j)); CH4 "
    "and N2O of biomass are within them. It is known as far as emission factors tell it."
)
INCLUDED = (
    "AR 46(i) asks for the categories that are in the inventory and for those that are not, with the reason. A "
    "category without lines has no emissions in this report; statuses and reasons are stated by the organization."
)
PRIMARY_DATA = (
    "AR 46(g) asks to what extent emissions were measured with inputs from activities of the organization's own value "
    "chain, and for the percentage that was calculated with primary data from suppliers or other partners."
)
METHODS = (
    "For each significant category AR 46(h) asks for the boundary, the calculation methods and the tools: the methods "
    "are told below, the boundary as far as it is stated by the organization."
)


def esrs(facts: Facts) -> Report:
    """Return the report."""
    return Report(
        kind=KIND,
        title="ESRS E1-6: gross Scope 3 emissions",
        subtitle=facts.organization,
        facts=cover(facts, STANDARD),
        sections=(
            sections.summary(facts, words.THREE_NUMBERS),
            Section("Gross Scope 3 emissions", (GROSS, _gross(facts))),
            Section("Total emissions and intensity", (INTENSITY, all_scopes(facts), intensities(facts))),
            Section("Biogenic CO2", (BIOGENIC, _biogenic(facts))),
            Section("Categories included and excluded", (INCLUDED, _included(facts))),
            sections.categories(facts),
            sections.over_time(facts),
            sections.quality(facts, PRIMARY_DATA),
            sections.uncertainty(facts),
            sections.methods(facts, METHODS),
            *evidence(facts),
        ),
        sources=(STANDARD, words.STANDARD, words.GUIDANCE, *words.UNCERTAINTY_SOURCES),
    )


def _gross(facts: Facts) -> Table:
    amounts, first_hand, whole = amounts_over_time(facts), primary_by_category(facts), facts.total.tonnes
    rows = []
    for number in range(1, CATEGORIES + 1):
        now = amounts[number][0]
        parts = None if now is None else share(now, whole), now and share(first_hand.get(number, 0.0), now)
        significant = facts.statements.of(number).relevant
        rows.append((number, words.category_name(number), significant, *compared(*amounts[number]), *parts))
    parts = share(whole, whole), share(primary(facts), whole)
    total = (None, "Gross Scope 3", None, *compared(*amounts[0]), *parts)
    columns = (NUMBER, CATEGORY, Column("significant", "Significant"), *compared_columns(facts), SHARE, PRIMARY)
    return Table("gross", "Gross Scope 3 emissions, t CO2e", columns, tuple(rows), total, base_note(facts))


def _biogenic(facts: Facts) -> Table:
    before = [None if of is None else of.biogenic_tonnes for of in (facts.base, facts.previous)]
    row = ("Biogenic CO2, t", *compared(facts.biogenic_tonnes, *before))
    columns = (Column("figure", "Outside of the total"), *compared_columns(facts))
    unknown = facts.rows_of_unknown_gases
    note = f"The gases of {unknown:,} lines of the period cannot be told." if unknown else ""
    return Table("biogenic", "Biogenic CO2 in the value chain", columns, (row,), note=note)


def _included(facts: Facts) -> Table:
    lines = {number: of.rows for number, of in by_category(facts.categories).items()}
    stated = [(number, facts.statements.of(number)) for number in range(1, CATEGORIES + 1)]
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (number, words.category_name(number), lines.get(number), told(of.status), told(of.explanation))
        for number, of in stated
    )
    columns = (NUMBER, CATEGORY, LINES, Column("status", "Status"), Column("explanation", "Explanation"))
    return Table("included", "Categories, and why", columns, rows)
