"""Currency rates and price indices: what money of one currency and year is in another's (docs/prices.md)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

MonthKey = tuple[str, int, int]  # currency, year, month; month 0 is the whole year


@dataclass(frozen=True, slots=True)
class Prices:
    """An immutable price set, picklable; `NO_PRICES` where none is active.

    All rates are per one unit of one currency, the base, so that any two convert through it.
    """

    set_id: int  # 0: none is active
    content_hash: str
    base: str  # ISO 4217
    rates: Mapping[MonthKey, float]  # units of the currency per one of the base: averages
    indices: Mapping[tuple[str, int], float]  # by currency and year; only ratios count
    by_month: bool  # whether any rate is a month's

    def rate(self, of: str, to: str, year: int, month: int = 0) -> float | None:
        """Return how many of `to` one of `of` is: of the month where both have one, else of the year; None: unknown."""
        when = self.month_of_rate(of, to, year, month)
        one, other = self._per_base(of, year, when), self._per_base(to, year, when)
        return None if one is None or other is None else other / one

    def month_of_rate(self, of: str, to: str, year: int, month: int) -> int:
        """Return the month that a rate is of: the one given, where both currencies have one for it, else 0."""
        both = (self._per_base(currency, year, month) for currency in (of, to))
        return month if all(rate is not None for rate in both) else 0

    def deflator(self, currency: str, year: int, price_year: int) -> float | None:
        """Return what money of `year` is multiplied with to be at prices of `price_year`; None: unknown."""
        now, then = self.indices.get((currency, year)), self.indices.get((currency, price_year))
        return None if now is None or then is None else then / now

    @property
    def years(self) -> set[int]:
        """The years that rates or indices are of."""
        return {year for _, year, _ in self.rates} | {year for _, year in self.indices}

    def has_rates(self, currency: str) -> str:
        """Say for which years there are rates of a currency."""
        if currency == self.base:
            return f"rates per {currency}"
        return f"{currency} for {spans(year for name, year, _ in self.rates if name == currency)}"

    def has_indices(self, currency: str) -> str:
        """Say for which years there are price indices of a currency."""
        return f"{currency} for {spans(year for name, year in self.indices if name == currency)}"

    def _per_base(self, currency: str, year: int, month: int) -> float | None:
        return 1.0 if currency == self.base else self.rates.get((currency, year, month))


def build_prices(
    set_id: int,
    content_hash: str,
    base: str,
    rates: Mapping[MonthKey, float],
    indices: Mapping[tuple[str, int], float],
) -> Prices:
    """Return the prices of a set."""
    return Prices(set_id, content_hash, base, rates, indices, any(month for _, _, month in rates))


NO_PRICES = build_prices(0, "", "", {}, {})


def spans(years: Iterable[int]) -> str:
    """Return years for people: `2015 to 2024, 2026`; `no year` for none."""
    runs: list[list[int]] = []
    for year in sorted(set(years)):
        if runs and year == runs[-1][-1] + 1:
            runs[-1].append(year)
        else:
            runs.append([year])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs) or "no year"
