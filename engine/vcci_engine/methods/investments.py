"""Investments (category 15) as the GHG Protocol has them."""

from vcci_engine.methods.method import ACTIVITY, GUIDANCE, MONEY, Data, Method, names, optional

_CATEGORIES = frozenset({15})

EQUITY_SHARE = Method(
    number=37,
    name="equity_share",
    categories=_CATEGORIES,
    needs=Data.REPORTED,
    formula="Scope 1 and 2 of the investee x share of its equity",
    source=f"{GUIDANCE}, formula 15.1",
    inputs=names("share", "part whole"),
)

EQUITY_REVENUE = Method(
    number=38,
    name="equity_revenue",
    categories=_CATEGORIES,
    needs=MONEY,
    formula="revenue of the investee x share of a sector x its factor x share of the equity; "
    "a group's sector shares sum to 1",
    source=f"{GUIDANCE}, formula 15.2",
    inputs=names("share sector_share"),
    optional=optional("price_basis margins"),
    grouped=True,
    whole="sector_share",
)

PROJECT_DEBT = Method(
    number=39,
    name="project_debt",
    categories=_CATEGORIES,
    needs=Data.REPORTED,
    formula="Scope 1 and 2 of the project x amount invested / (equity + debt)",
    source=f"{GUIDANCE}, formula 15.3",
    inputs=names("outstanding equity debt", "share"),
)

PROJECT_COST = Method(
    number=40,
    name="project_cost",
    categories=_CATEGORIES,
    needs=MONEY,
    formula="cost of the project x factor of its sector x amount invested / (equity + debt)",
    source=f"{GUIDANCE}, formula 15.4",
    inputs=names("outstanding equity debt", "share"),
    optional=optional("price_basis margins"),
)

PROJECTED_LIFETIME = Method(
    number=41,
    name="projected_lifetime",
    categories=_CATEGORIES,
    needs=ACTIVITY | Data.REPORTED,
    formula="projected emissions of a year x years x share; reported apart from the year's own",
    source=f"{GUIDANCE}, projected lifetime emissions of category 15",
    inputs=names("years share", "years outstanding equity debt"),
)

METHODS = (EQUITY_SHARE, EQUITY_REVENUE, PROJECT_DEBT, PROJECT_COST, PROJECTED_LIFETIME)
