"""The report of kind "IFRS S2": Scope 3 as paragraphs 29(a) and B19 to B63 of IFRS S2 ask, told in other words."""

from vcci_server.report import sections, words
from vcci_server.report.comparing import comparison
from vcci_server.report.cover import cover
from vcci_server.report.evidence import evidence
from vcci_server.report.facts import Facts
from vcci_server.report.figures import all_scopes
from vcci_server.report.financed import financed
from vcci_server.report.layout import SHARE, TONNES, primary, share
from vcci_server.report.model import Column, Report, Section, Table

KIND = "ifrs_s2"
STANDARD = "IFRS S2 Climate-related Disclosures (ISSB, 2023), paragraph 29(a) and B19 to B63"
GROSS = (
    "Gross Scope 3 emissions in tonnes of CO2 equivalent (paragraph 29(a)(i)(3)), by the categories of the GHG "
    "Protocol's Scope 3 Standard that are within the measure (29(a)(vi)(1)). Scope 1 and 2 are stated by the "
    "organization."
)
APPROACH = (
    "Measurement approach (29(a)(iii), B26 to B29): emissions are estimated, not measured directly. Each line of "
    "activity is multiplied by an emission factor, by the methods of the GHG Protocol's guidance (Methods); those of "
    "greenhouse gases are made CO2 equivalents with hundred-year global warming potentials (B21, B22; Gases). The "
    "measurement approach of the GHG Protocol is used; changes of approach, inputs and assumptions are recalculations "
    "(Restatements)."
)
INPUTS = (
    "Inputs (B29, B38 to B54): activity data as it was uploaded, and the emission factors listed under Emission "
    "factors, each with its publication, year and region. Factors are chosen for the supplier's country, else for a "
    "wider region, and for the year of the activity, else the nearest earlier one. Data of suppliers is preferred to "
    "averages, and physical quantities to spend."
)
ASSUMPTIONS = (
    "Assumptions: a line's uncertainty is log-normal, from the basic uncertainty of its factor and five scores of its "
    "data; spend of other years is converted by price indices, other currencies by exchange rates of the price sets "
    "listed under Inputs. Further assumptions behind the activity data are the organization's to state."
)
VERIFIED = "Whether inputs were verified (B54, B56(b)) is not stored: the organization states it."


def ifrs(facts: Facts) -> Report:
    """Return the report."""
    return Report(
        kind=KIND,
        title="IFRS S2: Scope 3 greenhouse gas emissions",
        subtitle=facts.organization,
        facts=cover(facts, STANDARD),
        sections=(
            sections.summary(facts, words.THREE_NUMBERS),
            sections.categories(facts, GROSS),
            Section("All scopes", (all_scopes(facts),)),
            Section(
                "Measurement approach, inputs and assumptions",
                (APPROACH, INPUTS, ASSUMPTIONS, _inputs(facts), VERIFIED),
            ),
            financed(facts),
            sections.over_time(facts, comparison(facts)),
            sections.suppliers(facts),
            sections.quality(facts),
            sections.uncertainty(facts),
            sections.methods(facts),
            *evidence(facts),
        ),
        sources=(STANDARD, words.STANDARD, words.GUIDANCE, words.PCAF, *words.UNCERTAINTY_SOURCES),
    )


def _inputs(facts: Facts) -> Table:
    """Return how much is estimated with what kind of inputs (B56(a))."""
    of, whole = primary(facts), facts.total.tonnes
    rows = (
        ("Inputs from specific activities within the value chain", of, share(of, whole)),
        ("Other inputs (averages by physical quantity or by spend)", whole - of, share(whole - of, whole)),
        ("Verified inputs", None, None),
    )
    columns = (Column("inputs", "Estimated with"), TONNES, SHARE)
    note = "A dash: not provided."
    return Table("measured", "Inputs of the estimate", columns, rows, note=note)
