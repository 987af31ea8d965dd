"""The period beside the base period and the period before."""

from collections.abc import Mapping

from vcci_engine.methods import CATEGORIES

from vcci_server.report import words
from vcci_server.report.facts import Amount, Earlier, Facts
from vcci_server.report.layout import CATEGORY, NUMBER, by_category, change, period_title
from vcci_server.report.model import Cell, Column, Table


def compared_columns(facts: Facts) -> tuple[Column, ...]:
    """Return the columns of `compared`."""
    return (
        Column("base_t_co2e", f"Base {base_title(facts)}".strip(), "tonnes"),
        Column("previous_t_co2e", period_title(facts.period.before), "tonnes"),
        Column("t_co2e", period_title(facts.period), "tonnes"),
        Column("on_base", "On base", "share"),
        Column("on_previous", "On before", "share"),
    )


def compared(now: float | None, base: float | None, previous: float | None) -> tuple[Cell, ...]:
    """Return an amount of the base period, the period before and the period, and its changes on these."""
    changes = (None if now is None else change(now, old) for old in (base, previous))
    return (base, previous, now, *changes)


def comparison(facts: Facts) -> Table:
    """Return the table of all categories over time."""
    amounts = amounts_over_time(facts)
    rows = tuple(
        (number, words.category_name(number), *compared(*amounts[number])) for number in range(1, CATEGORIES + 1)
    )
    columns = (NUMBER, CATEGORY, *compared_columns(facts))
    total = (None, "Total", *compared(*amounts[0]))
    return Table("comparison", "Comparison with earlier periods, t CO2e", columns, rows, total, base_note(facts))


def amounts_over_time(facts: Facts) -> Mapping[int, tuple[float | None, float | None, float | None]]:
    """Return t CO2e of the period, the base period and the period before, by category; 0 is the total."""
    periods = [(facts.total, facts.categories), _of(facts.base), _of(facts.previous)]
    found = [None if of is None else {0: of[0], **by_category(of[1])} for of in periods]
    return {number: _three([_at(of, number) for of in found]) for number in range(CATEGORIES + 1)}


def base_title(facts: Facts) -> str:
    """Return how the base period is called; empty when none is wanted."""
    return period_title(facts.base_period) if facts.base_period else ""


def base_note(facts: Facts) -> str:
    """Return what there is to say of the periods that are compared with."""
    if facts.base_period is None:
        base = "Base year: not provided. "
    elif facts.base is None:
        base = f"Nothing is stored of the base period, {base_title(facts)}. "
    else:
        base = ""
    return base + words.COMPARED


def _of(earlier: Earlier | None) -> tuple[Amount, list[Amount]] | None:
    return None if earlier is None else (earlier.total, [*earlier.categories])


def _at(found: Mapping[int, Amount] | None, number: int) -> float | None:
    return found[number].tonnes if found is not None and number in found else None


def _three(of: list[float | None]) -> tuple[float | None, float | None, float | None]:
    now, base, previous = of
    return now, base, previous
