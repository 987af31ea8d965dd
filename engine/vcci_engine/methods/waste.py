"""Waste from operations (category 5), and sold products at the end of their life (category 12).

Recycling is a treatment with a factor of its own: a mass is never multiplied by 1 - its recycling rate.
"""

from vcci_engine.methods.method import ACTIVITY, GUIDANCE, Method, names, optional

_MASS = ("kg", "m3")

WASTE_TYPE_SPECIFIC = Method(
    number=18,
    name="waste_type_specific",
    categories=frozenset({5}),
    needs=ACTIVITY,
    formula="mass (of waste water: volume) x factor of the type and its treatment",
    source=f"{GUIDANCE}, formula 5.2",
    optional=optional("mass_per_item share"),
    units=_MASS,
)

AVERAGE_WASTE = Method(
    number=19,
    name="average_waste",
    categories=frozenset({5}),
    needs=ACTIVITY,
    formula="mass x share of a treatment x its factor; a group's shares sum to 1",
    source=f"{GUIDANCE}, formula 5.3",
    inputs=names("share"),
    optional=optional("mass_per_item"),
    units=_MASS,
    grouped=True,
    whole="share",
)

END_OF_LIFE_TREATMENT = Method(
    number=20,
    name="end_of_life_treatment",
    categories=frozenset({12}),
    needs=ACTIVITY,
    formula="mass sold, with its packaging x share of a treatment x its factor; a group's shares sum to 1",
    source=f"{GUIDANCE}, formula 12.1",
    inputs=names("share"),
    optional=optional("mass_per_item"),
    units=_MASS,
    grouped=True,
    whole="share",
)

METHODS = (WASTE_TYPE_SPECIFIC, AVERAGE_WASTE, END_OF_LIFE_TREATMENT)
