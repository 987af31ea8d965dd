"""Supplier-specific method: the supplier's own factor, cradle to gate (GHG Protocol formula 1.1 and its like)."""

from vcci_engine.activities import FloatArray
from vcci_engine.methods.method import ALL_CATEGORIES, Data, Input, Method

SUPPLIER_FACTOR = Input("supplier_factor", "", "kg CO2e per unit of the quantity, from the supplier")


def emissions(amount: FloatArray, factor: FloatArray) -> FloatArray:
    """Return kg CO2e per activity: amount in its own unit x kg CO2e per that unit."""
    return amount * factor


METHOD = Method(
    number=1,
    name="supplier_specific",
    version=1,
    needs=Data.SUPPLIER_FACTOR,
    without="the input supplier_factor",
    categories=ALL_CATEGORIES,
    source="GHG Protocol, Technical Guidance for Calculating Scope 3 Emissions (2013), formulas 1.1, 5.1, 15.1",
    emissions=emissions,
)
