"""Variants of a factor per unit of money: the same thing at other prices, or with other margins.

Their keys are one stem with and without endings, `naics:331110` and `naics:331110.producer`; their factors say what
each is for. A row that says at which prices its spend is gets the variant for these, whichever of the keys it names.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from vcci_engine.activities import Activities, Positions
from vcci_engine.inputs import spread
from vcci_engine.methods.multipliers import MARGINS, PRICE_BASES

ENDINGS = (".purchaser", ".producer", ".with_margins", ".without_margins")

_SAID = [(basis, margins) for basis in range(len(PRICE_BASES)) for margins in range(len(MARGINS))]
Prices = tuple[int, int]  # indices into PRICE_BASES and MARGINS; 0: any, or not said


def variants_of(
    index: Mapping[str, tuple[int, int]], price_basis: Sequence[str], margins: Sequence[str]
) -> dict[str, tuple[int, ...]]:
    """Return, of each key that has variants, the number of the key to use, by what a row says (`said`).

    `index` is the keys with their ranges of factors. A key whose factors are for different prices is no variant.
    """
    stems: dict[str, list[tuple[int, str, Prices]]] = {}
    for number, (key, (start, stop)) in enumerate(index.items()):
        if price_basis[start] or margins[start]:
            of = {(price_basis[n], margins[n]) for n in range(start, stop)}
            if len(of) == 1:
                prices = PRICE_BASES.index(price_basis[start]), MARGINS.index(margins[start])
                stems.setdefault(_stem(key), []).append((number, key, prices))
    return {
        key: tuple(_best(variants, number, prices, said) for said in _SAID)
        for variants in stems.values()
        if len(variants) > 1
        for number, key, prices in variants
    }


def said(batch: Activities) -> Positions | None:
    """Return which of the prices each row says, as an index into a key's variants; None when no row says any."""
    if not batch.inputs.keys() & {"price_basis", "margins"}:
        return None
    numbers = [
        np.nan_to_num(spread(batch.inputs[name], len(batch))).clip(0, most).astype(np.intp)
        if name in batch.inputs
        else np.zeros(len(batch), np.intp)
        for name, most in (("price_basis", len(PRICE_BASES) - 1), ("margins", len(MARGINS) - 1))
    ]
    return numbers[0] * np.intp(len(MARGINS)) + numbers[1]


def _stem(key: str) -> str:
    for ending in ENDINGS * 2:  # in either order
        key = key.removesuffix(ending)
    return key


def _best(variants: Sequence[tuple[int, str, Prices]], named: int, own: Prices, wanted: Prices) -> int:
    """Return the variant for what is wanted: the nearest to the key that was named, this itself where none is."""

    def nearness(variant: tuple[int, str, Prices]) -> tuple[int, int, bool]:
        number, _, prices = variant
        exact = sum(has == asked for has, asked in zip(prices, wanted, strict=True) if asked)
        alike = sum(has == of for has, of, asked in zip(prices, own, wanted, strict=True) if not asked)
        return exact, alike, number == named

    fit = [
        of for of in variants if all(not asked or has in (0, asked) for has, asked in zip(of[2], wanted, strict=True))
    ]
    return max(fit, key=nearness)[0] if fit else named
