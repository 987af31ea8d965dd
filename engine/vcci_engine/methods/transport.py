"""Transport, distribution and travel (categories 4, 6 and 9), and what their sites and vehicles leak.

Load factor and empty running are inside a factor per tonne*km (ISO 14083): nothing divides by them again.
"""

from vcci_engine.methods.method import ACTIVITY, GUIDANCE, Data, Method, names, optional

FUEL_BASED = Method(
    number=10,
    name="fuel_based",
    categories=frozenset({4, 6, 9}),
    needs=ACTIVITY,
    formula="fuel or energy x factor; fuel = distance x fuel per distance, or spend / price; allocated by a share",
    source=f"{GUIDANCE}, formulas 4.1 to 4.4",
    inputs=names("", "part whole"),
    optional=optional("distance fuel_per_distance energy_per_distance fuel_price share trips vehicles"),
    units=("litre", "kWh", "kg"),
)

REFRIGERANT_LEAKAGE = Method(
    number=11,
    name="refrigerant_leakage",
    categories=frozenset({4, 8, 9, 10, 13, 14}),
    needs=ACTIVITY,
    formula="kg of the gas x its global warming potential, of the charge with a release rate",
    source=f"{GUIDANCE}, formulas 4.1, 4.8, 8.1, 10.1",
    inputs=names("", "part whole"),
    optional=optional("release_rate share items mass_per_item"),
    units=("kg",),
)

DISTANCE_BASED = Method(
    number=12,
    name="distance_based",
    categories=frozenset({4, 6, 9}),
    needs=ACTIVITY,
    formula="mass, containers, people or vehicles x distance of the leg x factor",
    source=f"{GUIDANCE}, formulas 4.6 and 6.1",
    inputs=names("", "part whole"),
    optional=optional("distance mass mass_per_item passengers vehicles trips items share radiative_forcing"),
    units=("tonne*km", "TEU*km", "passenger*km", "vehicle*km", "km"),
)

BACKHAUL = Method(
    number=13,
    name="backhaul",
    categories=frozenset({4, 9}),
    needs=ACTIVITY,
    formula="distance driven empty x fuel or energy per distance x factor",
    source=f"{GUIDANCE}, formula 4.5",
    inputs=names("fuel_per_distance", "energy_per_distance"),
    optional=optional("distance trips vehicles share"),
    units=("litre", "kWh"),
)

ALLOCATED_TRANSPORT = Method(
    number=14,
    name="allocated_transport",
    categories=frozenset({4, 9}),
    needs=ACTIVITY | Data.REPORTED,
    formula="emissions or fuel of a vehicle x part / whole, by mass, volume, chargeable mass or transport work",
    source=f"{GUIDANCE}, formula 4.4",
    inputs=names("part whole", "share"),
)

SITE_SPECIFIC_DISTRIBUTION = Method(
    number=15,
    name="site_specific_distribution",
    categories=frozenset({4, 9}),
    needs=ACTIVITY | Data.REPORTED,
    formula="fuel, energy or refrigerant of a site x factor x own volume / its whole volume",
    source=f"{GUIDANCE}, formula 4.8",
    inputs=names("part whole", "share"),
    optional=optional("release_rate"),
)

AVERAGE_DISTRIBUTION = Method(
    number=16,
    name="average_distribution",
    categories=frozenset({4, 9}),
    needs=ACTIVITY,
    formula="volume stored x days x factor",
    source=f"{GUIDANCE}, formula 4.9",
    inputs=names("days"),
    optional=optional("volume area items share"),
    units=("m3*day", "m2*day", "kg*day", "item*day"),
)

HOTEL_STAY = Method(
    number=17,
    name="hotel_stay",
    categories=frozenset({6}),
    needs=ACTIVITY,
    formula="rooms x nights x factor",
    source=f"{GUIDANCE}, formula 6.1",
    optional=optional("nights rooms passengers share"),
    units=("room*night", "night", "passenger*night"),
)

METHODS = (
    FUEL_BASED,
    REFRIGERANT_LEAKAGE,
    DISTANCE_BASED,
    BACKHAUL,
    ALLOCATED_TRANSPORT,
    SITE_SPECIFIC_DISTRIBUTION,
    AVERAGE_DISTRIBUTION,
    HOTEL_STAY,
)
