"""What reports say in words: names of the contract for people, and what figures mean."""

from vcci.v1.activity_pb2 import Category, Method

STANDARD = "GHG Protocol, Corporate Value Chain (Scope 3) Accounting and Reporting Standard (2011)"
GUIDANCE = "GHG Protocol, Technical Guidance for Calculating Scope 3 Emissions (2013)"
PCAF = "PCAF, The Global GHG Accounting and Reporting Standard, Part A: Financed Emissions, 2nd edition (2022)"
UNCERTAINTY_SOURCES = (
    "R. Frischknecht and others, Overview and Methodology, ecoinvent report no. 1 (2007): pedigree matrix",
    "L. F. Fenton, The Sum of Log-Normal Probability Distributions in Scatter Transmission Systems (1960)",
)
TIERS = {
    "supplier_specific": "Supplier-specific: the supplier's own factor, or emissions as it reported them",
    "average_data": "Average data: an emission factor per physical unit",
    "spend_based": "Spend-based: an emission factor per unit of money",
}
GRADES = {1: "1 (best)", 2: "2", 3: "3", 4: "4", 5: "5 (worst, or unknown)"}

THREE_NUMBERS = (
    "Calculated values are what the inventory reports: activity times emission factor, added up. Each line is taken as "
    "log-normal about its calculated value. The median and the 95 % interval are those of the sum's distribution; the "
    "median of a sum of log-normal amounts lies above the sum of their medians, so a calculated value may lie below "
    "the interval where lines are very uncertain."
)
SPREAD = (
    "The spread of a line is made of the basic uncertainty of its emission factor and of five scores of its data "
    "(reliability, completeness, temporal, geographical and technological correlation; pedigree matrix). Sums are "
    "taken as log-normal behind a shift, with the mean, the variance and the skewness of their parts (Fenton-Wilkinson "
    "with a third moment); lines that share an "
    "emission factor are taken as fully correlated in it, so the intervals of parts do not add up to that of the "
    "total. What is left out of the inventory is not in the intervals."
)
QUALITY = (
    "Primary data is the part of emissions that was calculated with suppliers' own factors, or that suppliers "
    "reported. The score of a line is the mean of its five pedigree scores, halves rounded up; unknown scores count "
    "as 5."
)
NO_LINES = (
    "A dash stands for a category of which no emissions are stored. The standard asks the company to justify the "
    "exclusion of a category; this report cannot tell whether one is not relevant, or not yet calculated."
)
NOT_HERE = (
    "This report is made of what is stored. Of what the standard requires (chapter 11) the company adds: its Scope 1 "
    "and 2 emissions, its consolidation approach and boundary, the categories and activities that it excludes with "
    "the reasons, its base year with the policy for recalculating it, and the assumptions and allocations behind "
    "the activity data."
)

COMPARED = (
    "Earlier periods have what is stored of them now, on the same basis as the period: a dash stands for nothing. "
    "Recalculations are listed under Restatements."
)


def category_name(number: int) -> str:
    """Return the name of a Scope 3 category."""
    name = _words(Category.Name(Category.ValueType(number)).removeprefix("CATEGORY_"))
    return name.replace("Fuel and energy related", "Fuel- and energy-related").replace("End of life", "End-of-life")


def method_name(label: str) -> str:
    """Return the name of a method for people, by its label."""
    assert f"METHOD_{label.upper()}" in Method.keys()  # noqa: SIM118  no dictionary
    return _words(label).replace("Pcaf", "PCAF:")


def _words(name: str) -> str:
    return name.replace("_", " ").lower().capitalize()
