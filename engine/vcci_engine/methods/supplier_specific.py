"""Supplier-specific method: the supplier's own factor, cradle to gate, or emissions that the supplier reports."""

from vcci_engine.methods.method import ALL_CATEGORIES, GUIDANCE, Data, Input, Method, names
from vcci_engine.methods.multipliers import GENERAL

SUPPLIER_FACTOR = Input("supplier_factor", "", "kg CO2e per unit of the quantity, from the supplier", power=0)

METHOD = Method(
    number=1,
    name="supplier_specific",
    categories=ALL_CATEGORIES,
    needs=Data.SUPPLIER_FACTOR | Data.REPORTED,
    formula="amount in its own unit x kg CO2e per that unit, or reported emissions x inputs",
    source=f"{GUIDANCE}, formulas 1.1, 5.1",
    inputs=names("", "part whole"),
    optional=GENERAL,
)
