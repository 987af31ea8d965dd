"""Spend-based method: money spent x a factor per unit of money (GHG Protocol formulas 1.5 and 4.7)."""

from vcci_engine.methods.method import ALL_CATEGORIES, GUIDANCE, Data, Method, names
from vcci_engine.methods.multipliers import GENERAL

METHOD = Method(
    number=3,
    name="spend_based",
    categories=ALL_CATEGORIES,
    needs=Data.SPEND_FACTOR,
    formula="spend in the factor's currency and price year x kg CO2e per unit of it",
    source=f"{GUIDANCE}, formulas 1.5 and 4.7",
    inputs=names("", "part whole"),
    optional=GENERAL,
)
