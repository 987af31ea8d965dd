"""The sections that every kind of report on an inventory has."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate

from vcci_engine.methods import CATEGORIES, METHODS

from vcci_server.report import words
from vcci_server.report.cells import amount, shown
from vcci_server.report.facts import Amount, Facts
from vcci_server.report.layout import (
    AMOUNTS,
    CATEGORY,
    CHANGE,
    CHART_BARS,
    FIGURES,
    LINES,
    NUMBER,
    PRIMARY,
    SHARE,
    TONNES,
    by_category,
    category_chart,
    cells,
    change,
    highlights,
    percent,
    period_title,
    primary,
    primary_by_category,
    share,
)
from vcci_server.report.model import Bar, Block, Cell, Chart, Column, Highlights, Section, Table


def summary(facts: Facts, *texts: str) -> Section:
    """Return the key figures, a chart by category, and what the texts say."""
    total, covered = facts.total, facts.coverage
    rows: tuple[tuple[str, Cell, str], ...] = (
        ("Scope 3 emissions", total.tonnes, "t CO2e"),
        ("Median of the distribution", total.median, "t CO2e"),
        ("95 % interval from", total.low, "t CO2e"),
        ("95 % interval to", total.high, "t CO2e"),
        ("Period of the same length before", facts.previous_tonnes, "t CO2e"),
        ("Change on it", percent(change(total.tonnes, facts.previous_tonnes)), "%"),
        ("From primary data", percent(share(primary(facts), total.tonnes)), "%"),
        ("Lines of activity", total.rows, "lines"),
        ("Active suppliers", covered.suppliers, "suppliers"),
        ("Of these with emissions", covered.with_emissions, "suppliers"),
        ("Of these with primary data", covered.with_primary_data, "suppliers"),
    )
    figures = Table("summary", "Key figures", FIGURES, rows)
    return Section("Summary", (_standing_out(facts), category_chart(facts), *texts, figures))


def _standing_out(facts: Facts) -> Highlights:
    total, before = facts.total, facts.previous_tonnes
    changed = change(total.tonnes, before)
    on = f"of {amount(before)} t CO2e" if before is not None else "nothing is stored of it"
    first_hand = share(primary(facts), total.tonnes)
    return highlights(
        ("Scope 3 emissions", f"{amount(total.tonnes)} t CO2e", f"median {amount(total.median)}"),
        ("95 % interval", f"{amount(total.low)} – {amount(total.high)}", "t CO2e"),
        (f"Change on {period_title(facts.period.before)}", shown(changed, "share"), on),
        ("Primary data", shown(first_hand, "share"), "of the emissions"),
    )


def categories(facts: Facts, *texts: str, numbers: Iterable[int] = range(1, CATEGORIES + 1)) -> Section:
    """Return the emissions of all 15 categories, or of some, and what the texts say."""
    found, first_hand, whole = by_category(facts.categories), primary_by_category(facts), facts.total.tonnes
    rows = tuple(_category_row(number, found, first_hand, whole) for number in numbers)
    parts = share(whole, whole), share(primary(facts), whole)
    total = (None, "Total", facts.total.rows, *cells(facts.total), *parts)
    columns = (NUMBER, CATEGORY, LINES, *AMOUNTS, SHARE, PRIMARY)
    note = words.NO_LINES if any(number not in found for number in numbers) else ""
    table = Table("categories", "Emissions by Scope 3 category", columns, rows, total, note)
    return Section("Emissions by category", (*texts, table))


def _category_row(
    number: int, found: Mapping[int, Amount], first_hand: Mapping[int, float], whole: float
) -> tuple[Cell, ...]:
    of = found.get(number)
    if of is None:
        return (number, words.category_name(number), *(None,) * 7)
    shares = share(of.tonnes, whole), share(first_hand.get(number, 0.0), of.tonnes)
    return (number, words.category_name(number), of.rows, *cells(of), *shares)


def over_time(facts: Facts, *more: Block) -> Section:
    """Return the emissions by year, and more."""
    before = [None, *(of.tonnes for of in facts.years[:-1])]
    rows = tuple(
        (of.keys[0], of.rows, *cells(of), change(of.tonnes, old)) for of, old in zip(facts.years, before, strict=True)
    )
    columns = (Column("year", "Year"), LINES, *AMOUNTS, CHANGE)
    note = f"What is stored up to {facts.last_day.isoformat()}, by the calendar year of the activity."
    bars = tuple(Bar(of.keys[0], of.tonnes, of.low, of.high) for of in facts.years[-CHART_BARS:])
    chart = Chart("by_year", "Emissions by year, with 95 % intervals", "t CO2e", bars)
    years = Table("years", "Emissions by calendar year", columns, rows, note=note)
    return Section("Emissions over time", (chart, years, *more))


def suppliers(facts: Facts) -> Section:
    """Return the suppliers with the most emissions."""
    whole = facts.total.tonnes
    so_far = accumulate(of.amount.tonnes for of in facts.suppliers)
    rows = tuple(
        (
            *(of.code, of.name, of.country, of.amount.rows, *cells(of.amount)),
            *(share(of.amount.tonnes, whole), share(sum_, whole)),
        )
        for of, sum_ in zip(facts.suppliers, so_far, strict=True)
    )
    columns = (
        *(Column("code", "Code"), Column("name", "Name"), Column("country", "Country"), LINES, *AMOUNTS, SHARE),
        Column("cumulative_share", "Up to here", "share"),
    )
    note = f"{len(rows):,} of {facts.supplier_count:,} suppliers with emissions, the largest first."
    table = Table("suppliers", "Suppliers with the most emissions", columns, rows, note=note)
    return Section("Largest suppliers", (table,))


def quality(facts: Facts, *texts: str) -> Section:
    """Return the emissions by the data that they are made of, and what the texts say."""
    whole = sum(tonnes for _, _, tonnes in facts.grades)
    grades = tuple((words.GRADES[score], rows, tonnes, share(tonnes, whole)) for score, rows, tonnes in facts.grades)
    columns = (Column("score", "Mean score"), LINES, TONNES, SHARE)
    note = "By the factors' own GWP sets, as calculated when the data was uploaded." if facts.is_restated else ""
    scores = Table("quality", "Emissions by the score of their data", columns, grades, note=note)
    return Section("Data quality", (*texts, words.QUALITY, _tiers(facts), scores))


def _tiers(facts: Facts) -> Table:
    total = ("Total", facts.total.rows, *cells(facts.total), share(facts.total.tonnes, facts.total.tonnes))
    rows = tuple(_tier_rows(facts.tiers, facts.total.tonnes))
    columns = (Column("tier", "Data"), LINES, *AMOUNTS, SHARE)
    return Table("tiers", "Emissions by the data they are made of", columns, rows, total)


def _tier_rows(found: Sequence[Amount], whole: float) -> Iterable[tuple[Cell, ...]]:
    by_name = {of.keys[0]: of for of in found}
    for name, title in words.TIERS.items():
        if name in by_name:
            of = by_name[name]
            yield (title, of.rows, *cells(of), share(of.tonnes, whole))


def uncertainty(facts: Facts) -> Section:
    """Return the distribution of the total, and how it is found."""
    total = facts.total
    rows = (
        ("Calculated values, added up", total.tonnes),
        ("Median", total.median),
        ("Mean", total.mean),
        ("2.5 % are below", total.low),
        ("2.5 % are above", total.high),
    )
    columns = (Column("figure", "Of the total"), TONNES)
    table = Table("uncertainty", "The distribution of the total", columns, rows)
    return Section("Uncertainty", (words.SPREAD, table))


def methods(facts: Facts, *texts: str) -> Section:
    """Return which method made what of each category, what the methods calculate, and what the texts say."""
    ordered = sorted(facts.methods, key=lambda of: (int(of.keys[0]), -of.tonnes))
    rows = tuple(
        (int(of.keys[0]), words.category_name(int(of.keys[0])), words.method_name(of.keys[1]), of.rows, *cells(of))
        for of in ordered
    )
    columns = (NUMBER, CATEGORY, Column("method", "Method"), LINES, *AMOUNTS)
    used = Table("methods", "Methods used, by category", columns, rows)
    return Section("Methods", (*texts, used, _formulas(facts)))


def _formulas(facts: Facts) -> Table:
    used = {of.keys[1] for of in facts.methods}
    rows = tuple(
        (words.method_name(method.name), method.formula.replace(" x ", " × "), method.needed, method.source)
        for method in METHODS
        if method.name in used
    )
    columns = (
        *(Column("method", "Method"), Column("formula", "Formula"), Column("data", "With")),
        Column("source", "Source"),
    )
    return Table("formulas", "What the methods calculate", columns, rows)
