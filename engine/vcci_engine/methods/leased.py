"""Leased assets (categories 8 and 13) and franchises (14): own data, parts of buildings, averages."""

from vcci_engine.methods.method import ACTIVITY, GUIDANCE, Data, Method, names, optional

_LEASED = frozenset({8, 13})
_PLACES = frozenset({8, 13, 14})

ASSET_SPECIFIC = Method(
    number=24,
    name="asset_specific",
    categories=_LEASED,
    needs=ACTIVITY | Data.REPORTED,
    formula="fuel, energy, refrigerant or process emissions of the asset x factor",
    source=f"{GUIDANCE}, formula 8.1",
    optional=optional("share years release_rate"),
)

FLOOR_AREA_ALLOCATION = Method(
    number=25,
    name="floor_area_allocation",
    categories=_LEASED,
    needs=ACTIVITY,
    formula="energy of the building x factor x area / (total area x occupancy)",
    source=f"{GUIDANCE}, formula 8.2",
    inputs=names("area total_area"),
    optional=optional("occupancy share"),
)

LESSOR_SPECIFIC = Method(
    number=26,
    name="lessor_specific",
    categories=_LEASED,
    needs=Data.REPORTED,
    formula="Scope 1 and 2 of the lessor (13: of the lessee's building) x area / total area x part of the year",
    source=f"{GUIDANCE}, formula 8.3",
    inputs=names("area total_area", "part whole"),
    optional=optional("occupancy share"),
)

AVERAGE_FLOOR_AREA = Method(
    number=27,
    name="average_floor_area",
    categories=_PLACES,
    needs=ACTIVITY,
    formula="floor area x factor of its type",
    source=f"{GUIDANCE}, formulas 8.4, 14.4",
    optional=optional("years share items"),
    units=("m2", "m2*year"),
)

AVERAGE_ASSET_COUNT = Method(
    number=28,
    name="average_asset_count",
    categories=_PLACES,
    needs=ACTIVITY,
    formula="number of assets or franchises x factor of their type",
    source=f"{GUIDANCE}, formulas 8.5, 14.5",
    optional=optional("years share"),
    units=("item", "item*year", "vehicle", "vehicle*year"),
)

FRANCHISE_SPECIFIC = Method(
    number=29,
    name="franchise_specific",
    categories=frozenset({14}),
    needs=ACTIVITY | Data.REPORTED,
    formula="Scope 1 and 2 of a franchise, or its fuel and energy x factor",
    source=f"{GUIDANCE}, formulas 14.1 and 14.2",
    inputs=names("", "area total_area", "part whole"),
    optional=optional("occupancy share"),
)

FRANCHISE_SAMPLE = Method(
    number=30,
    name="franchise_sample",
    categories=frozenset({14}),
    needs=ACTIVITY | Data.REPORTED,
    formula="emissions of the sampled franchises of a group x franchises / franchises sampled",
    source=f"{GUIDANCE}, formula 14.3",
    inputs=names("franchises franchises_sampled"),
    optional=optional("share"),
)

METHODS = (
    ASSET_SPECIFIC,
    FLOOR_AREA_ALLOCATION,
    LESSOR_SPECIFIC,
    AVERAGE_FLOOR_AREA,
    AVERAGE_ASSET_COUNT,
    FRANCHISE_SPECIFIC,
    FRANCHISE_SAMPLE,
)
