"""Average-data method: a physical amount x an average factor (GHG Protocol formula 1.4 and its like)."""

from vcci_engine.methods.method import ALL_CATEGORIES, GUIDANCE, Data, Method, names
from vcci_engine.methods.multipliers import GENERAL

METHOD = Method(
    number=2,
    name="average_data",
    categories=ALL_CATEGORIES,
    needs=Data.PHYSICAL_FACTOR,
    formula="amount in the factor's unit x kg CO2e per unit",
    source=f"{GUIDANCE}, formulas 1.4, 4.6, 4.9, 10.2",
    inputs=names("", "part whole"),
    optional=GENERAL,
)
