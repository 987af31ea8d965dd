"""Average-data method: a physical amount x an average factor (GHG Protocol formula 1.4 and its like)."""

from vcci_engine.activities import FloatArray
from vcci_engine.methods.method import ALL_CATEGORIES, Data, Method


def emissions(amount: FloatArray, factor: FloatArray) -> FloatArray:
    """Return kg CO2e per activity: amount in the factor's unit x kg CO2e per unit."""
    return amount * factor


METHOD = Method(
    number=2,
    name="average_data",
    version=1,
    needs=Data.PHYSICAL_FACTOR,
    without="a factor per physical unit",
    categories=ALL_CATEGORIES,
    source="GHG Protocol, Technical Guidance for Calculating Scope 3 Emissions (2013), formulas 1.4, 4.6, 4.9",
    emissions=emissions,
)
