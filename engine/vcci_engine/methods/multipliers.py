"""Inputs beside the quantity: what multiplies it, divides it, is taken off the factor, or is only told.

The amount of activity is quantity x the inputs given; its unit is the quantity's unit x theirs, and must convert to
the factor's: tonne x distance (km) meets a factor per tonne*km.
"""

from vcci_engine.methods.method import Input

MOST_MONEY = 1e18  # of an economy, in whichever currency
ABOVE_ZERO = 1e-9

# Products are made in this order: new inputs come last, so that results keep their bits.
MULTIPLIERS = (
    Input("distance", "km", "distance of one leg"),
    Input("mass", "kg", "mass carried"),
    Input("mass_per_item", "kg/item", "mass of one item"),
    Input("volume", "m3", "volume stored"),
    Input("area", "m2", "floor area"),
    Input("days", "day", "days stored, or days in use"),
    Input("nights", "night", "nights of a hotel stay"),
    Input("years", "year", "years of use, or years reported"),
    Input("rooms", "room", "rooms"),
    Input("passengers", "passenger", "people who travel"),
    Input("vehicles", "vehicle", "vehicles that travel"),
    Input("fuel_per_distance", "litre/km", "fuel that a vehicle takes"),
    Input("uses", "use/item", "uses over the lifetime of one item"),
    Input("energy_per_use", "kWh/use", "energy that one use takes"),
    Input("items", "", "how many of what the quantity describes"),
    Input("trips", "", "how many times the distance is travelled"),
    Input("share", "", "part that is allocated to this activity, 0 to 1", maximum=1.0),
    Input("radiative_forcing", "", "multiplier for the effects of flight at altitude", minimum=1.0, maximum=10.0),
    Input("fuel_per_use", "litre/use", "fuel that one use takes"),
    Input("energy_per_distance", "kWh/km", "energy that a vehicle takes"),
    Input("commuting_days", "", "days on which people commute"),
    Input("loss_rate", "", "part of the electricity that is lost on the way, 0 to 1", maximum=1.0),
    Input("release_rate", "", "part of a gas that is released, 0 to 1", maximum=1.0),
    Input("sector_share", "", "part of the investee's revenue that is of this sector, 0 to 1", maximum=1.0),
    Input("franchises", "", "franchises in the group"),
    Input(
        "part", "", "what is this activity's of `whole`, by mass, volume, transport work or value", maximum=MOST_MONEY
    ),
    Input("outstanding", "", "what is invested or lent, in the currency of what divides it", maximum=MOST_MONEY),
)


def _divides(name: str, unit: str, what: str, minimum: float = ABOVE_ZERO, maximum: float = MOST_MONEY) -> Input:
    return Input(name, unit, what, minimum, maximum, power=-1)


# The quantity is divided by the sum of each.
DIVISORS = (
    (_divides("whole", "", "what `part` is a part of, in the same unit"),),
    (_divides("total_area", "m2", "floor area of the whole building"),),
    (_divides("occupancy", "", "part of the building's area that is let, up to 1", maximum=1.0),),
    (_divides("franchises_sampled", "", "franchises whose emissions are the quantity"),),
    (_divides("evic", "", "enterprise value including cash"),),
    (
        _divides("equity", "", "total equity of the company or project", minimum=0.0),
        _divides("debt", "", "total debt of the company or project", minimum=0.0),
    ),
    (_divides("property_value", "", "value of the property at origination"),),
    (_divides("vehicle_value", "", "value of the vehicle at origination"),),
    (_divides("gdp", "", "gross domestic product, adjusted for purchasing power"),),
    (_divides("fuel_price", "currency/litre", "price of the fuel that the spend has bought"),),
)

# Each a part of a whole: at most 1.
RATIOS = {
    "part": ("whole",),
    "area": ("total_area", "occupancy"),
    "outstanding": ("evic", "equity", "debt", "property_value", "vehicle_value", "gdp"),
}

DEDUCTIONS = (
    Input("combustion_factor", "", "kg CO2e per the factor's unit that combustion makes", power=0),
    Input("loss_factor", "", "kg CO2e per the factor's unit of transmission and distribution losses", power=0),
)

PRICE_BASES = ("", "purchaser", "producer")  # by the number of the input `price_basis`
MARGINS = ("", "with", "without")  # by the number of the input `margins`


def _choice(name: str, what: str, maximum: float) -> Input:
    return Input(name, "", what, 1.0, maximum, power=0, is_choice=True)


TOLD = (
    Input("pcaf_score", "", "PCAF's data quality score, 1 (best) to 5", minimum=1.0, maximum=5.0, power=0),
    Input("base_evic", "", "enterprise value including cash in the base year", ABOVE_ZERO, MOST_MONEY, power=0),
    Input("functional_units", "", "what the product does in its life, like washes or km", ABOVE_ZERO, power=0),
    _choice("price_basis", "whose prices the spend is at: 1 the purchaser's, 2 the producer's", 2.0),
    _choice("margins", "whether the emissions of trade and transport margins are wanted: 1 with, 2 without", 2.0),
)

# What the methods for every category take: the amount may be made of any of it.
GENERAL = frozenset({known.name for known in MULTIPLIERS} | {"functional_units", "price_basis", "margins"}) - {
    *("part", "outstanding", "franchises", "sector_share", "commuting_days"),
}
