"""Columns and cells that tables of several sections share."""

from vcci_server.dashboards import Period
from vcci_server.report import words
from vcci_server.report.facts import Amount, Facts
from vcci_server.report.model import Bar, Cell, Chart, Column, Highlight, Highlights

AMOUNTS = (
    Column("t_co2e", "t CO2e", "tonnes"),
    Column("median", "Median", "tonnes"),
    Column("low", "95\u00a0% from", "tonnes"),
    Column("high", "95\u00a0% to", "tonnes"),
)
TONNES = AMOUNTS[0]
LINES = Column("lines", "Lines", "count")
SHARE = Column("share", "Share", "share")
PRIMARY = Column("primary_share", "Primary data", "share")
NUMBER, CATEGORY = Column("category", "No.", "count"), Column("name", "Category")
CHANGE = Column("change", "Change", "share")
FIGURES = (Column("figure", "Figure"), Column("value", "Value", "number"), Column("unit", "Unit"))
CHART_BARS = 15


def cells(of: Amount) -> tuple[Cell, ...]:
    """Return the cells of AMOUNTS."""
    return (of.tonnes, of.median, of.low, of.high)


def share(part: float, whole: float) -> float | None:
    """Return a part of a whole; None where there is no whole."""
    return part / whole if whole else None


def change(new: float, old: float | None) -> float | None:
    """Return the change on an old amount, as a part of it; None where there is none."""
    return None if old is None else share(new - old, old)


def percent(part: float | None) -> float | None:
    """Return a part as a number of per cent."""
    return None if part is None else part * 100


def by_category(amounts: list[Amount] | tuple[Amount, ...]) -> dict[int, Amount]:
    """Return amounts by the number of their category, the first of their keys."""
    return {int(of.keys[0]): of for of in amounts}


def primary(facts: Facts) -> float:
    """Return the t CO2e from primary data."""
    return sum(tier.tonnes for tier in facts.tiers if tier.keys == ("supplier_specific",))


def primary_by_category(facts: Facts) -> dict[int, float]:
    """Return the t CO2e from primary data by category."""
    return {int(of.keys[0]): of.tonnes for of in facts.category_tiers if of.keys[1] == "supplier_specific"}


def category_title(number: int) -> str:
    """Return the number and the name of a category."""
    return f"{number} {words.category_name(number)}"


def category_chart(facts: Facts) -> Chart:
    """Return the chart of the categories, the largest first."""
    named = sorted(facts.categories, key=lambda of: -of.tonnes)[:CHART_BARS]
    bars = tuple(Bar(category_title(int(of.keys[0])), of.tonnes, of.low, of.high) for of in named)
    return Chart("by_category", "Emissions by category, with 95 % intervals", "t CO2e", bars)


def highlights(*items: tuple[str, str, str]) -> Highlights:
    """Return a row of labels, values and details."""
    return Highlights(tuple(Highlight(*item) for item in items))


def period_title(period: Period) -> str:
    """Return `2025` of a calendar year, else the first and the last month: `2024-04 to 2025-03`."""
    start, end = period.start, period.end
    if (start.month, end.month, end.year - start.year) == (1, 1, 1):
        return str(start.year)
    last = end.year * 12 + end.month - 2
    return f"{start:%Y-%m} to {last // 12}-{last % 12 + 1:02}"
