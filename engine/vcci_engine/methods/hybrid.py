"""Hybrid methods (categories 1 and 2): a supplier's own emissions and its inputs, one activity for each line."""

from vcci_engine.methods.method import ANY, GUIDANCE, Method, names, optional

_CATEGORIES = frozenset({1, 2})
_INPUTS = names("", "part whole")
_OPTIONAL = optional("share distance mass items")

HYBRID = Method(
    number=4,
    name="hybrid",
    categories=_CATEGORIES,
    needs=ANY,
    formula="lines of a group: the supplier's Scope 1 and 2, allocated; materials; their transport; waste; other",
    source=f"{GUIDANCE}, formula 1.2",
    inputs=_INPUTS,
    optional=_OPTIONAL,
    grouped=True,
)

HYBRID_PARTIAL = Method(
    number=5,
    name="hybrid_partial",
    categories=_CATEGORIES,
    needs=ANY,
    formula="lines of a group: the supplier's Scope 1 and 2, allocated; waste; quantity x a factor without these",
    source=f"{GUIDANCE}, formula 1.3",
    inputs=_INPUTS,
    optional=_OPTIONAL,
    grouped=True,
)

METHODS = (HYBRID, HYBRID_PARTIAL)
