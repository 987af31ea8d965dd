"""Whether a scenario can be understood: every wrong field is named."""

from collections.abc import Sequence
from datetime import date

from google.type.date_pb2 import Date
from vcci.v1 import hotspot_service_pb2 as pb
from vcci_engine.countries import alpha_2

from vcci_server.emission_filters import CATEGORIES, METHODS, check_filter
from vcci_server.validation import MAX_STRING_BYTES, Problems

MOST_LEVERS = 30  # so that their scopes, two of a lever at most, are bits of one integer
MOST_SUPPLIERS = 1_000
MOST_COUNTRIES = 300
MOST_FACTORS = 1_000
LARGEST_RATIO = 100.0
LARGEST_COST = 1e15
FIRST_YEAR, LAST_YEAR = 1990, 2100
LONGEST_PATHWAY = 60  # years
LONGEST_LIFETIME = 100  # years
CHANGES = "quantity, intensity, factor, renewable, supplier or pathway"


def check_scenario(request: pb.RunScenarioRequest) -> None:
    """Raise InvalidFields when anything is wrong that can be told without the store."""
    problems = Problems()
    check_filter(request.filter, problems)
    if len(request.levers) > MOST_LEVERS:
        problems.add("levers", len(request.levers), f"at most {MOST_LEVERS} levers", "LIMIT_EXCEEDED")
    if not -1 < request.discount_rate <= 1:
        problems.add("discount_rate", request.discount_rate, "above -1, up to 1", "OUT_OF_RANGE")
    for number, lever in enumerate(request.levers[:MOST_LEVERS]):
        _check_lever(f"levers[{number}]", lever, problems)
    problems.check()
    if any(lever.HasField("costs") for lever in request.levers):
        _check_years(request, problems)
    problems.check()


def whole_years(request: pb.RunScenarioRequest) -> int:
    """Return how many years the filter of a checked request spans; 0: not whole ones, or not told."""
    given = request.filter
    if not (given.HasField("period_start") and given.HasField("period_end")):
        return 0
    start, end = _date(given.period_start), _date(given.period_end)
    return end.year - start.year if (start.month, start.day) == (end.month, end.day) else 0


def _check_years(request: pb.RunScenarioRequest, problems: Problems) -> None:
    if not whole_years(request):
        given = request.filter
        found = " to ".join(
            str(_date(getattr(given, name))) if given.HasField(name) else "none"
            for name in ("period_start", "period_end")
        )
        expected = "a period of whole years, since costs are of a year: 2024-01-01 to 2025-01-01"
        problems.add("filter.period_end", found, expected, "OUT_OF_RANGE")


def _check_lever(field: str, lever: pb.Lever, problems: Problems) -> None:
    problems.text(f"{field}.display_name", lever.display_name, MAX_STRING_BYTES)
    _check_scope(f"{field}.scope", lever.scope, problems)
    change = lever.WhichOneof("change")
    if change is None:
        problems.add(field, "", f"one of {CHANGES}", "REQUIRED_FIELD")
    elif change == "pathway":
        _check_pathway(f"{field}.pathway", lever.pathway, problems)
    else:
        _check_change(f"{field}.{change}", getattr(lever, change), problems)
    if lever.HasField("costs"):
        _check_costs(f"{field}.costs", lever.costs, problems)


def _check_scope(field: str, scope: pb.LeverScope, problems: Problems) -> None:
    for name, most in (("supplier_codes", MOST_SUPPLIERS), ("countries", MOST_COUNTRIES), ("factors", MOST_FACTORS)):
        if len(getattr(scope, name)) > most:
            problems.add(f"{field}.{name}", len(getattr(scope, name)), f"at most {most}", "LIMIT_EXCEEDED")
    for number, code in enumerate(scope.supplier_codes[:MOST_SUPPLIERS]):
        problems.text(f"{field}.supplier_codes[{number}]", code, MAX_STRING_BYTES, required=True)
    for number, country in enumerate(scope.countries[:MOST_COUNTRIES]):
        if not alpha_2(country):
            problems.add(f"{field}.countries[{number}]", country, "a code of ISO 3166-1", "MALFORMED_VALUE")
    for number, key in enumerate(scope.factors[:MOST_FACTORS]):
        _check_key(f"{field}.factors[{number}]", key, problems)
    _check_numbers(f"{field}.categories", scope.categories, CATEGORIES, "UNKNOWN_CATEGORY", problems)
    _check_numbers(f"{field}.methods", scope.methods, METHODS, "UNKNOWN_METHOD", problems)


def _check_numbers(field: str, given: Sequence[int], known: Sequence[int], reason: str, problems: Problems) -> None:
    for number, value in enumerate(given):
        if value not in known:
            problems.add(f"{field}[{number}]", value, "a number of the contract", reason)


def _check_change(field: str, change: object, problems: Problems) -> None:
    """Check the fields that changes have by the same names."""
    if isinstance(change, pb.ChangeQuantity | pb.ChangeIntensity):
        _check_range(f"{field}.change", change.change, -1.0, LARGEST_RATIO, problems)
    elif isinstance(change, pb.ChangeFactor):
        _check_key(f"{field}.factor", change.factor, problems)
        _check_range(f"{field}.share", change.share, 0.0, 1.0, problems)
        _check_range(f"{field}.amount_ratio", change.amount_ratio, 0.0, LARGEST_RATIO, problems)
    elif isinstance(change, pb.RenewableShare):
        if not 0 < change.share <= 1:
            problems.add(f"{field}.share", change.share, "above 0, up to 1", "OUT_OF_RANGE")
        if change.factor:
            _check_key(f"{field}.factor", change.factor, problems)
    elif isinstance(change, pb.ChangeSupplier):
        problems.text(f"{field}.supplier_code", change.supplier_code, MAX_STRING_BYTES, required=True)
        _check_range(f"{field}.share", change.share, 0.0, 1.0, problems)


def _check_pathway(field: str, pathway: pb.ReductionPathway, problems: Problems) -> None:
    _check_range(f"{field}.base_year", pathway.base_year, FIRST_YEAR, LAST_YEAR, problems)
    last = pathway.base_year + LONGEST_PATHWAY
    _check_range(f"{field}.target_year", pathway.target_year, pathway.base_year, last, problems)
    _check_range(f"{field}.annual_reduction", pathway.annual_reduction, 0.0, 1.0, problems)


def _check_costs(field: str, costs: pb.LeverCosts, problems: Problems) -> None:
    for name in ("investment", "annual_cost", "annual_savings"):
        _check_range(f"{field}.{name}", getattr(costs, name), 0.0, LARGEST_COST, problems)
    _check_range(f"{field}.lifetime_years", costs.lifetime_years, 1, LONGEST_LIFETIME, problems)


def _check_range(field: str, value: float, low: float, high: float, problems: Problems) -> None:
    if not low <= value <= high:
        problems.add(field, value, f"{low:g} to {high:g}", "OUT_OF_RANGE")


def _check_key(field: str, key: str, problems: Problems) -> None:
    problems.text(field, key, MAX_STRING_BYTES, required=True)
    source, _, code = key.partition(":")
    if key and not (source and code):
        problems.add(field, key, "a key `source:code`", "MALFORMED_VALUE")


def _date(given: Date) -> date:
    return date(given.year, given.month, given.day)
