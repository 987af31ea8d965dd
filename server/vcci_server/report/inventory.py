"""The report of kind "GHG Protocol Scope 3 inventory", from facts."""

from vcci_server.report import sections, words
from vcci_server.report.comparing import comparison
from vcci_server.report.cover import cover
from vcci_server.report.evidence import evidence
from vcci_server.report.facts import Facts
from vcci_server.report.model import Report

KIND = "ghg_protocol_scope_3"


def inventory(facts: Facts) -> Report:
    """Return the report."""
    return Report(
        kind=KIND,
        title="Scope 3 greenhouse gas inventory",
        subtitle=facts.organization,
        facts=cover(facts, words.STANDARD),
        sections=(
            sections.summary(facts, words.THREE_NUMBERS, words.NOT_HERE),
            sections.categories(facts),
            sections.over_time(facts, comparison(facts)),
            sections.suppliers(facts),
            sections.quality(facts),
            sections.uncertainty(facts),
            sections.methods(facts),
            *evidence(facts),
        ),
        sources=(words.STANDARD, words.GUIDANCE, *words.UNCERTAINTY_SOURCES),
    )
