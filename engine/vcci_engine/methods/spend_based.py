"""Spend-based method: money spent x a factor per unit of money (GHG Protocol formulas 1.5 and 4.7)."""

from vcci_engine.activities import FloatArray
from vcci_engine.methods.method import ALL_CATEGORIES, Data, Method


def emissions(spend: FloatArray, factor: FloatArray) -> FloatArray:
    """Return kg CO2e per activity: spend in the factor's currency and price year x kg CO2e per unit of it."""
    return spend * factor


METHOD = Method(
    number=3,
    name="spend_based",
    version=1,
    needs=Data.SPEND_FACTOR,
    without="a factor per unit of money",
    categories=ALL_CATEGORIES,
    source="GHG Protocol, Technical Guidance for Calculating Scope 3 Emissions (2013), formulas 1.5 and 4.7",
    emissions=emissions,
)
