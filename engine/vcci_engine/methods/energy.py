"""Fuel- and energy-related activities (category 3), which are not in Scope 1 or 2.

The factor is the upstream one, or the life-cycle one with what is not upstream taken off it.
"""

from vcci_engine.methods.method import ACTIVITY, GUIDANCE, Method, names, optional

_CATEGORIES = frozenset({3})

UPSTREAM_FUEL = Method(
    number=6,
    name="upstream_fuel",
    categories=_CATEGORIES,
    needs=ACTIVITY,
    formula="fuel x (life-cycle factor - combustion factor)",
    source=f"{GUIDANCE}, formula 3.1",
    optional=optional("combustion_factor share"),
)

UPSTREAM_ELECTRICITY = Method(
    number=7,
    name="upstream_electricity",
    categories=_CATEGORIES,
    needs=ACTIVITY,
    formula="energy x (life-cycle factor - combustion factor - factor of losses)",
    source=f"{GUIDANCE}, formula 3.2",
    optional=optional("combustion_factor loss_factor share"),
    units=("kWh",),
)

TRANSMISSION_LOSSES = Method(
    number=8,
    name="transmission_losses",
    categories=_CATEGORIES,
    needs=ACTIVITY,
    formula="energy x life-cycle factor x loss rate",
    source=f"{GUIDANCE}, formula 3.3",
    inputs=names("loss_rate"),
    optional=optional("share"),
    units=("kWh",),
)

RESOLD_ELECTRICITY = Method(
    number=9,
    name="resold_electricity",
    categories=_CATEGORIES,
    needs=ACTIVITY,
    formula="energy bought and sold x life-cycle factor",
    source=f"{GUIDANCE}, formula 3.4",
    optional=optional("share"),
    units=("kWh",),
)

METHODS = (UPSTREAM_FUEL, UPSTREAM_ELECTRICITY, TRANSMISSION_LOSSES, RESOLD_ELECTRICITY)
