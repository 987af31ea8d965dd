"""What an organization states for a report: checked, and as reports have it."""

from math import isfinite

from vcci.v1 import activity_pb2
from vcci.v1 import report_service_pb2 as pb
from vcci_engine.currencies import CURRENCIES

from vcci_server.report.statements import Stated, Statements
from vcci_server.validation import Problems

MOST_BYTES = 2_400  # of a text: as many characters as CDP's form takes
LARGEST = 1e18

CATEGORIES = activity_pb2.Category.values()[1:]
STATUSES = {
    pb.CATEGORY_STATUS_UNSPECIFIED: "",
    pb.CATEGORY_STATUS_RELEVANT_CALCULATED: "relevant, calculated",
    pb.CATEGORY_STATUS_RELEVANT_NOT_YET_CALCULATED: "relevant, not yet calculated",
    pb.CATEGORY_STATUS_NOT_RELEVANT_CALCULATED: "not relevant, calculated",
    pb.CATEGORY_STATUS_NOT_RELEVANT_EXPLAINED: "not relevant, explanation provided",
    pb.CATEGORY_STATUS_NOT_EVALUATED: "not evaluated",
}


def check_statements(problems: Problems, field: str, of: pb.OrganizationStatements) -> None:
    """Note what is wrong with statements."""
    for name in ("net_revenue", "previous_net_revenue"):
        _amount(problems, f"{field}.{name}", getattr(of, name))
    for name in ("scope_1_t_co2e", "scope_2_location_t_co2e", "scope_2_market_t_co2e"):
        _amount(problems, f"{field}.{name}", getattr(of, name))
    if of.currency and of.currency not in CURRENCIES:
        problems.add(f"{field}.currency", of.currency, "a currency code of ISO 4217, like EUR", "MALFORMED_VALUE")
    elif not of.currency and (of.net_revenue or of.previous_net_revenue):
        problems.add(f"{field}.currency", "", "the currency of the revenue", "REQUIRED_FIELD")
    problems.text(f"{field}.boundary", of.boundary, MOST_BYTES)
    _categories(problems, f"{field}.categories", of)


def _categories(problems: Problems, field: str, of: pb.OrganizationStatements) -> None:
    seen = set()
    for number, stated in enumerate(of.categories):
        place = f"{field}[{number}]"
        if stated.category not in CATEGORIES:
            problems.add(f"{place}.category", stated.category, "a category, 1 to 15", "UNKNOWN_CATEGORY")
        elif stated.category in seen:
            problems.add(f"{place}.category", stated.category, "each category once", "MALFORMED_VALUE")
        seen.add(stated.category)
        if stated.status not in STATUSES:
            problems.add(f"{place}.status", stated.status, "a status", "OUT_OF_RANGE")
        problems.text(f"{place}.explanation", stated.explanation, MOST_BYTES)


def _amount(problems: Problems, field: str, value: float) -> None:
    if not isfinite(value):
        problems.add(field, value, "a number", "NOT_FINITE")
    elif not 0 <= value <= LARGEST:
        problems.add(field, value, f"from 0 to {LARGEST:g}", "NEGATIVE" if value < 0 else "OUT_OF_RANGE")


def statements(of: pb.OrganizationStatements) -> Statements:
    """Return checked statements as reports have them."""
    return Statements(
        currency=of.currency,
        net_revenue=of.net_revenue or None,
        previous_net_revenue=of.previous_net_revenue or None,
        scope_1=of.scope_1_t_co2e if of.HasField("scope_1_t_co2e") else None,
        scope_2_location=of.scope_2_location_t_co2e if of.HasField("scope_2_location_t_co2e") else None,
        scope_2_market=of.scope_2_market_t_co2e if of.HasField("scope_2_market_t_co2e") else None,
        boundary=of.boundary,
        categories={stated.category: Stated(STATUSES[stated.status], stated.explanation) for stated in of.categories},
    )
