"""Money in the currency and at the prices of a factor (GHG Protocol, Technical Guidance (2013), formula 1.5).

First at the rate of the row's period into the factor's currency, then by that currency's price index from the row's
year to the factor's price year.
"""

from math import nan

from vcci_engine.factor_lookup import Target
from vcci_engine.prices import Prices
from vcci_engine.results import Notice, Reason
from vcci_engine.scale import INCOMPATIBLE, Scale
from vcci_engine.units import Unit, conversion

_CONVERTED = 1 << Notice.CURRENCY_CONVERTED


def money_scale(amount: Unit, target: Target, prices: Prices, month: int) -> Scale:
    """Return the scale from an amount of money to that of a factor; exactly the units' where nothing differs.

    That prices were of another year is told by the factor's look-up, which knows both years.
    """
    to = target.unit
    if to is None or (plain := _plain(amount, to)) is None:
        return INCOMPATIBLE
    rate, notices = 1.0, 0
    if amount.currency != to.currency:
        found = prices.rate(amount.currency, to.currency, target.year, month)
        if found is None:
            return _no_rate(amount.currency, to.currency, prices)
        rate, notices = found, _CONVERTED
    if not target.price_year or target.price_year == target.year or not prices.set_id:
        return Scale(plain, notices, rate)
    deflator = prices.deflator(to.currency, target.year, target.price_year)
    if deflator is None:
        return _no_index(to.currency, target.price_year, prices)
    return Scale(plain, notices, rate, deflator)


def _plain(amount: Unit, to: Unit) -> float | None:
    """Return the scale as if both were of one currency; None when more than the currency differs."""
    own, other = f"[{amount.currency}]", f"[{to.currency}]"
    dimensions = tuple(sorted((other if name == own else name, power) for name, power in amount.dimensions))
    return conversion(Unit(amount.scale, dimensions), to)


def _no_rate(of: str, to: str, prices: Prices) -> Scale:
    if prices.set_id:
        has = f"{prices.has_rates(of)}; {prices.has_rates(to)}"
        expected = f"a rate of {of} to {to} for {{year}}; the active price set has {has}"
    else:
        expected = f"{to}, or a price set that is active and has a rate of {of} for {{year}}"
    return Scale(nan, reason=Reason.NO_EXCHANGE_RATE, expected=expected)


def _no_index(currency: str, price_year: int, prices: Prices) -> Scale:
    expected = (
        f"price indices of {currency} for {{year}} and {price_year}; the active price set has "
        f"{prices.has_indices(currency)}"
    )
    return Scale(nan, reason=Reason.NO_PRICE_INDEX, expected=expected)
