"""Sold products: their processing (category 10; its average is average_data) and use (11, in the year of sale)."""

from vcci_engine.methods.method import ACTIVITY, GUIDANCE, Data, Method, names, optional

_USE = frozenset({11})

SITE_SPECIFIC_PROCESSING = Method(
    number=31,
    name="site_specific_processing",
    categories=frozenset({10}),
    needs=ACTIVITY | Data.REPORTED,
    formula="fuel, energy, refrigerant, process emissions or waste of the processing x factor, allocated",
    source=f"{GUIDANCE}, formula 10.1",
    inputs=names("", "part whole"),
    optional=optional("share release_rate"),
)

DIRECT_USE_PHASE = Method(
    number=32,
    name="direct_use_phase",
    categories=_USE,
    needs=ACTIVITY,
    formula="products sold x uses in a life x energy or fuel of one use x factor",
    source=f"{GUIDANCE}, formula 11.1",
    inputs=names("uses energy_per_use", "uses fuel_per_use"),
    optional=optional("share functional_units"),
    units=("kWh", "litre"),
)

FUELS_SOLD = Method(
    number=33,
    name="fuels_sold",
    categories=_USE,
    needs=ACTIVITY,
    formula="fuel or feedstock sold x combustion factor",
    source=f"{GUIDANCE}, formula 11.2",
    optional=optional("share functional_units"),
    units=("litre", "kg", "kWh"),
)

CONTAINED_GASES = Method(
    number=34,
    name="contained_gases",
    categories=_USE,
    needs=ACTIVITY,
    formula="products sold x gas in one x release rate x global warming potential",
    source=f"{GUIDANCE}, formula 11.3",
    inputs=names("release_rate"),
    optional=optional("mass_per_item share functional_units"),
    units=("kg",),
)

INDIRECT_USE_PHASE = Method(
    number=35,
    name="indirect_use_phase",
    categories=_USE,
    needs=ACTIVITY,
    formula="products sold x uses x share of a scenario x energy or fuel of one use x factor; "
    "a group's shares sum to 1",
    source=f"{GUIDANCE}, formula 11.4",
    inputs=names("uses energy_per_use share", "uses fuel_per_use share"),
    optional=optional("functional_units"),
    units=("kWh", "litre"),
    grouped=True,
    whole="share",
)

INTERMEDIATE_PRODUCTS = Method(
    number=36,
    name="intermediate_products",
    categories=_USE,
    needs=ACTIVITY,
    formula="products sold x use of the final product in its life x factor x part / whole",
    source=f"{GUIDANCE}, formula 11.5",
    inputs=names("part whole", "share"),
    optional=optional("uses energy_per_use fuel_per_use distance items functional_units"),
)

METHODS = (
    SITE_SPECIFIC_PROCESSING,
    DIRECT_USE_PHASE,
    FUELS_SOLD,
    CONTAINED_GASES,
    INDIRECT_USE_PHASE,
    INTERMEDIATE_PRODUCTS,
)
