"""Figures that rest on what the organization states: total emissions, and emissions per net revenue."""

from vcci_server.report.facts import Facts
from vcci_server.report.layout import FIGURES, change
from vcci_server.report.model import Cell, Column, Table
from vcci_server.report.statements import NOT_PROVIDED

MILLION = 1e6
WHOSE = "Scope 1 and 2 emissions and revenues are stated by the organization; they are not checked here."


def all_scopes(facts: Facts) -> Table:
    """Return the table of Scope 1, 2 and 3, and their sums by both kinds of Scope 2."""
    stated, scope_3 = facts.statements, facts.total.tonnes
    rows = (
        ("Scope 1, gross", stated.scope_1, "t CO2e"),
        ("Scope 2, gross, location-based", stated.scope_2_location, "t CO2e"),
        ("Scope 2, gross, market-based", stated.scope_2_market, "t CO2e"),
        ("Scope 3, gross", scope_3, "t CO2e"),
        ("Total, location-based", _sum(stated.scope_1, stated.scope_2_location, scope_3), "t CO2e"),
        ("Total, market-based", _sum(stated.scope_1, stated.scope_2_market, scope_3), "t CO2e"),
    )
    return Table("scopes", "Emissions of all scopes", FIGURES, rows, note=f"{_missing()} {WHOSE}")


def intensities(facts: Facts) -> Table:
    """Return the table of emissions per net revenue, now and before."""
    stated = facts.statements
    per = f"t CO2e per million {stated.currency}" if stated.currency else "t CO2e per million of the currency"
    now, earlier = stated.net_revenue, stated.previous_net_revenue
    scope_3 = _per(facts.total.tonnes, now), _per(facts.previous_tonnes, earlier)
    rows: tuple[tuple[Cell, ...], ...] = (
        ("Net revenue", now, earlier, _change(now, earlier), stated.currency or NOT_PROVIDED),
        ("Scope 3 per net revenue", *scope_3, _change(*scope_3), per),
        *(
            (
                f"All scopes, {name}, per net revenue",
                _per(_sum(stated.scope_1, of, facts.total.tonnes), now),
                None,
                None,
                per,
            )
            for name, of in (("location-based", stated.scope_2_location), ("market-based", stated.scope_2_market))
        ),
    )
    columns = (
        *(
            Column("figure", "Figure"),
            Column("value", "Period", "number"),
            Column("previous", "Period before", "number"),
        ),
        *(Column("change", "Change", "share"), Column("unit", "Unit")),
    )
    return Table("intensity", "Emissions per net revenue", columns, rows, note=f"{_missing()} {WHOSE}")


def per_revenue(tonnes: float | None, revenue: float | None) -> float | None:
    """Return t CO2e per unit of money; None where one of them is not known."""
    return None if tonnes is None or not revenue else tonnes / revenue


def _per(tonnes: float | None, revenue: float | None) -> float | None:
    of = per_revenue(tonnes, revenue)
    return None if of is None else of * MILLION


def _sum(*parts: float | None) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _change(new: float | None, old: float | None) -> float | None:
    return None if new is None else change(new, old)


def _missing() -> str:
    return f"A dash: {NOT_PROVIDED}, or needs what is not."
