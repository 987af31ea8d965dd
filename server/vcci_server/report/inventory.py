"""The report of kind "GHG Protocol Scope 3 inventory", from facts."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate

from vcci_engine.methods import CATEGORIES, METHODS

from vcci_server.report import words
from vcci_server.report.evidence import evidence
from vcci_server.report.facts import Amount, Facts
from vcci_server.report.model import Bar, Block, Cell, Chart, Column, Report, Section, Table

KIND = "ghg_protocol_scope_3"
AMOUNTS = (
    Column("t_co2e", "t CO2e", "tonnes"),
    Column("median", "Median", "tonnes"),
    Column("low", "95 % from", "tonnes"),
    Column("high", "95 % to", "tonnes"),
)
LINES = Column("lines", "Lines", "count")
SHARE = Column("share", "Share", "share")
PRIMARY = Column("primary_share", "Primary data", "share")
CHART_BARS = 15


def inventory(facts: Facts) -> Report:
    """Return the report."""
    sections = (
        Section("Summary", _summary(facts)),
        Section("Emissions by category", _categories(facts)),
        Section("Emissions by year", _years(facts)),
        Section("Largest suppliers", _suppliers(facts)),
        Section("Data quality", _quality(facts)),
        Section("Uncertainty", _uncertainty(facts)),
        Section("Methods", _methods(facts)),
        *evidence(facts),
    )
    return Report(
        kind=KIND,
        title="Scope 3 greenhouse gas inventory",
        subtitle=facts.organization,
        facts=_cover(facts),
        sections=sections,
        sources=(words.STANDARD, words.GUIDANCE, *words.UNCERTAINTY_SOURCES),
    )


def cells(of: Amount) -> tuple[Cell, ...]:
    """Return the cells of AMOUNTS."""
    return (of.tonnes, of.median, of.low, of.high)


def share(part: float, whole: float) -> float | None:
    """Return a part of a whole; None where there is no whole."""
    return part / whole if whole else None


def _cover(facts: Facts) -> tuple[tuple[str, str], ...]:
    return (
        ("Reporting period", f"{facts.period.start.isoformat()} to {facts.last_day.isoformat()}"),
        ("Standard", words.STANDARD),
        ("Global warming potentials", facts.gwp_set or "as each emission factor was published (see Gases)"),
        ("Basis", f"as recalculated by {facts.as_of}" if facts.as_of else "as calculated when the data was uploaded"),
        ("Made", f"{facts.created:%Y-%m-%d %H:%M} UTC"),
        ("Emissions (SHA-256)", facts.emissions_sha256),
    )


def _primary(facts: Facts) -> float:
    return sum(tier.tonnes for tier in facts.tiers if tier.keys == ("supplier_specific",))


def _summary(facts: Facts) -> tuple[Block, ...]:
    total, covered = facts.total, facts.coverage
    change = share(total.tonnes - facts.previous.tonnes, facts.previous.tonnes)
    rows: tuple[tuple[str, Cell, str], ...] = (
        ("Scope 3 emissions", total.tonnes, "t CO2e"),
        ("Median of the distribution", total.median, "t CO2e"),
        ("95 % interval from", total.low, "t CO2e"),
        ("95 % interval to", total.high, "t CO2e"),
        ("Period of the same length before", facts.previous.tonnes if facts.previous.rows else None, "t CO2e"),
        ("Change on it", None if change is None else change * 100, "%"),
        ("From primary data", _percent(_primary(facts), total.tonnes), "%"),
        ("Lines of activity", total.rows, "lines"),
        ("Active suppliers", covered.suppliers, "suppliers"),
        ("Of these with emissions", covered.with_emissions, "suppliers"),
        ("Of these with primary data", covered.with_primary_data, "suppliers"),
    )
    columns = (Column("figure", "Figure"), Column("value", "Value", "number"), Column("unit", "Unit"))
    named = sorted(facts.categories, key=lambda of: -of.tonnes)[:CHART_BARS]
    bars = [Bar(_category(of), of.tonnes, of.low, of.high) for of in named]
    return (
        Table("summary", "Key figures", columns, rows),
        Chart("by_category", "Emissions by category, with 95 % intervals", "t CO2e", tuple(bars)),
        words.THREE_NUMBERS,
        words.NOT_HERE,
    )


def _percent(part: float, whole: float) -> float | None:
    of = share(part, whole)
    return None if of is None else of * 100


def _category(of: Amount) -> str:
    return f"{of.keys[0]} {words.category_name(int(of.keys[0]))}"


def _categories(facts: Facts) -> tuple[Block, ...]:
    found = {int(of.keys[0]): of for of in facts.categories}
    primary = {int(of.keys[0]): of.tonnes for of in facts.category_tiers if of.keys[1] == "supplier_specific"}
    whole = facts.total.tonnes
    rows = tuple(_category_row(number, found, primary, whole) for number in range(1, CATEGORIES + 1))
    total = (None, "Total", facts.total.rows, *cells(facts.total), share(whole, whole), share(_primary(facts), whole))
    columns = (Column("category", "No.", "count"), Column("name", "Category"), LINES, *AMOUNTS, SHARE, PRIMARY)
    return (Table("categories", "Emissions by Scope 3 category", columns, rows, total, words.NO_LINES),)


def _category_row(
    number: int, found: Mapping[int, Amount], primary: Mapping[int, float], whole: float
) -> tuple[Cell, ...]:
    of = found.get(number)
    if of is None:
        return (number, words.category_name(number), *(None,) * 7)
    shares = share(of.tonnes, whole), share(primary.get(number, 0.0), of.tonnes)
    return (number, words.category_name(number), of.rows, *cells(of), *shares)


def _years(facts: Facts) -> tuple[Block, ...]:
    before = [None, *(of.tonnes for of in facts.years[:-1])]
    rows = tuple(
        (of.keys[0], of.rows, *cells(of), None if old is None else share(of.tonnes - old, old))
        for of, old in zip(facts.years, before, strict=True)
    )
    columns = (Column("year", "Year"), LINES, *AMOUNTS, Column("change", "Change", "share"))
    note = f"What is stored up to {facts.last_day.isoformat()}, by the calendar year of the activity."
    bars = tuple(Bar(of.keys[0], of.tonnes, of.low, of.high) for of in facts.years[-CHART_BARS:])
    return (
        Chart("by_year", "Emissions by year, with 95 % intervals", "t CO2e", bars),
        Table("years", "Emissions by calendar year", columns, rows, note=note),
    )


def _suppliers(facts: Facts) -> tuple[Block, ...]:
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
    return (Table("suppliers", "Suppliers with the most emissions", columns, rows, note=note),)


def _tier_rows(tiers: Sequence[Amount], whole: float) -> Iterable[tuple[Cell, ...]]:
    found = {of.keys[0]: of for of in tiers}
    for name, title in words.TIERS.items():
        if name in found:
            of = found[name]
            yield (title, of.rows, *cells(of), share(of.tonnes, whole))


def _quality(facts: Facts) -> tuple[Block, ...]:
    whole = sum(tonnes for _, _, tonnes in facts.grades)
    grades = tuple((words.GRADES[score], rows, tonnes, share(tonnes, whole)) for score, rows, tonnes in facts.grades)
    columns = (Column("score", "Mean score"), LINES, AMOUNTS[0], SHARE)
    tiers = tuple(_tier_rows(facts.tiers, facts.total.tonnes))
    total = ("Total", facts.total.rows, *cells(facts.total), share(facts.total.tonnes, facts.total.tonnes))
    note = "By the factors' own GWP sets, as calculated when the data was uploaded." if facts.is_restated else ""
    return (
        words.QUALITY,
        Table(
            "tiers",
            "Emissions by the data they are made of",
            (Column("tier", "Data"), LINES, *AMOUNTS, SHARE),
            tiers,
            total,
        ),
        Table("quality", "Emissions by the score of their data", columns, grades, note=note),
    )


def _uncertainty(facts: Facts) -> tuple[Block, ...]:
    total = facts.total
    rows = (
        ("Calculated values, added up", total.tonnes),
        ("Median", total.median),
        ("Mean", total.mean),
        ("2.5 % are below", total.low),
        ("2.5 % are above", total.high),
    )
    columns = (Column("figure", "Of the total"), AMOUNTS[0])
    return (words.SPREAD, Table("uncertainty", "The distribution of the total", columns, rows))


def _methods(facts: Facts) -> tuple[Block, ...]:
    ordered = sorted(facts.methods, key=lambda of: (int(of.keys[0]), -of.tonnes))
    rows = tuple(
        (int(of.keys[0]), words.category_name(int(of.keys[0])), words.method_name(of.keys[1]), of.rows, *cells(of))
        for of in ordered
    )
    columns = (
        Column("category", "No.", "count"),
        Column("name", "Category"),
        Column("method", "Method"),
        LINES,
        *AMOUNTS,
    )
    used = {of.keys[1] for of in facts.methods}
    formulas = tuple(
        (words.method_name(method.name), method.formula, method.needed, method.source)
        for method in METHODS
        if method.name in used
    )
    told = (
        Column("method", "Method"),
        Column("formula", "Formula"),
        Column("data", "With"),
        Column("source", "Source"),
    )
    return (
        Table("methods", "Methods used, by category", columns, rows),
        Table("formulas", "What the methods calculate", told, formulas),
    )
