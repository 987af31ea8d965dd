"""Inputs that multiply the quantity of any method, each in its own unit.

The amount of activity is quantity x the inputs given; its unit is the quantity's unit x theirs, and must convert to
the factor's: tonne x distance (km) meets a factor per tonne*km.
"""

from vcci_engine.methods.method import Input

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
)
