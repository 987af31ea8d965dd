"""Investments (category 15) as PCAF has them: emissions x an attribution factor.

Scope 1 and 2, Scope 3, removals and credits of an investee are kept apart: lines of different groups.
"""

from vcci_engine.methods.method import ANY, PCAF, Method, names, optional

_TOLD = "pcaf_score functional_units"


def _attributed(number: int, name: str, by: str, whole: str, chapter: str) -> Method:
    return Method(
        number=number,
        name=name,
        categories=frozenset({15}),
        needs=ANY,
        formula=f"emissions of the investee x outstanding / {by}",
        source=f"{PCAF}, chapter {chapter}",
        inputs=names(f"outstanding {whole}", "share"),
        optional=optional(f"{_TOLD} base_evic" if whole == "evic" else _TOLD),
    )


METHODS = (
    _attributed(42, "pcaf_listed_equity", "enterprise value including cash", "evic", "5.1"),
    _attributed(43, "pcaf_business_loans", "(equity + debt)", "equity debt", "5.2"),
    _attributed(44, "pcaf_project_finance", "(equity + debt)", "equity debt", "5.3"),
    _attributed(45, "pcaf_commercial_real_estate", "property value at origination", "property_value", "5.4"),
    _attributed(46, "pcaf_mortgages", "property value at origination", "property_value", "5.5"),
    _attributed(47, "pcaf_motor_vehicle_loans", "vehicle value at origination", "vehicle_value", "5.6"),
    _attributed(48, "pcaf_sovereign_debt", "gross domestic product, PPP-adjusted", "gdp", "5.7"),
)
