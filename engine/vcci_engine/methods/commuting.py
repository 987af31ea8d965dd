"""Employee commuting (category 7): each way is travelled twice a day."""

from vcci_engine.methods.method import ACTIVITY, GUIDANCE, Method, names, optional

_CATEGORIES = frozenset({7})
_BOTH_WAYS = 2.0
_UNITS = ("passenger*km", "vehicle*km", "km")

COMMUTING_DISTANCE = Method(
    number=21,
    name="commuting_distance",
    categories=_CATEGORIES,
    needs=ACTIVITY,
    formula="distance one way x 2 x days x factor",
    source=f"{GUIDANCE}, formula 7.1",
    inputs=names("commuting_days"),
    optional=optional("distance passengers vehicles share"),
    units=_UNITS,
    constant=_BOTH_WAYS,
)

AVERAGE_COMMUTING = Method(
    number=22,
    name="average_commuting",
    categories=_CATEGORIES,
    needs=ACTIVITY,
    formula="employees x share of a mode x distance one way x 2 x days x its factor; a group's shares sum to 1",
    source=f"{GUIDANCE}, formula 7.2",
    inputs=names("share distance commuting_days"),
    optional=optional("vehicles"),
    units=_UNITS,
    constant=_BOTH_WAYS,
    grouped=True,
    whole="share",
)

TELEWORKING = Method(
    number=23,
    name="teleworking",
    categories=_CATEGORIES,
    needs=ACTIVITY,
    formula="energy of the home office x factor",
    source=f"{GUIDANCE}, formula 7.1",
    optional=optional("items days share"),
    units=("kWh", "litre"),
)

METHODS = (COMMUTING_DISTANCE, AVERAGE_COMMUTING, TELEWORKING)
