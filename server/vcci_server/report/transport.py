"""The report of kind "ISO 14083": freight transport by chain, operation category and mode.

Clauses 5 and 13 of ISO 14083:2023, told in other words. A line of activity is a transport chain element (TCE), the
lines of one group a transport chain, an emission factor a transport or hub operation category (TOC, HOC).
"""

from collections.abc import Iterable, Sequence

from vcci_server.report import sections, words
from vcci_server.report.cells import amount, shown
from vcci_server.report.cover import cover
from vcci_server.report.evidence import evidence
from vcci_server.report.facts import Facts
from vcci_server.report.layout import AMOUNTS, FIGURES, LINES, SHARE, TONNES, cells, highlights, share
from vcci_server.report.model import Bar, Block, Cell, Chart, Column, Highlights, Report, Section, Table
from vcci_server.report.moves import Move, Moved, moved_by, moves_of

KIND = "iso_14083"
FREIGHT = (4, 9)  # categories
STANDARD = "ISO 14083:2023, Greenhouse gases: quantification and reporting for transport chain operations"
G_PER_TKM = Column("g_per_tkm", "g CO2e/tkm", "number")
TKM = Column("tonne_km", "Tonne-km", "number")
TCES = Column("tces", "TCEs", "count")
SCOPE = (
    "Freight transport and hubs of Scope 3 categories 4 and 9 (clause 5.2). A line of activity is a transport chain "
    "element (TCE), the lines of one group are a transport chain, an emission factor stands for a transport or hub "
    "operation category (TOC, HOC). Travel and commuting of people are not in this report. Nothing is deducted for "
    "offsets (5.2.7), and black carbon is not in it (5.2.6)."
)
BOUNDARY = (
    "The standard counts the operation of vehicles and hubs and the provision of their energy: well to wheel, WTW "
    "(5.2.2). Emission factors are taken as they were published. Where a factor's key or name says that it is upstream "
    "or well to tank, its lines are energy provision: they add emissions to those of the operation, but no transport "
    "activity. Of the other factors the publication tells whether the energy's provision is within them."
)
ACTIVITY = (
    "Transport activity is mass times distance (5.4.2), as uploaded. The standard wants the shortest feasible or the "
    "great circle distance (5.4.4); which of them was uploaded is not stored. Load factors and empty trips are within "
    "the factors, and shared vehicles are allocated by mass times distance, or by what the lines say (5.6)."
)
INTENSITIES = (
    "Intensities are of the lines whose activity is in tonne-kilometres, with the energy's provision. Fuel, spend, "
    "emissions as reported, and containers or vehicles times distance have none: they are shown apart."
)
HUBS = (
    "Lines of storage and handling: by the methods of distribution, or with an activity of mass, area or volume "
    "without a distance (5.5.2)."
)


def transport(facts: Facts) -> Report:
    """Return the report."""
    moves = moves_of(facts)
    return Report(
        kind=KIND,
        title="ISO 14083: greenhouse gas emissions of freight transport",
        subtitle=facts.organization,
        facts=cover(facts, STANDARD),
        sections=(
            Section("Summary", _summary(facts, moves)),
            Section("Scope and system boundary", (SCOPE, BOUNDARY, ACTIVITY)),
            Section("Modes of transport", (*_modes(moves), INTENSITIES)),
            Section("Transport operation categories", (_categories(moves), _without_tkm(moves))),
            Section("Transport chains", (_chains(facts, moves),)),
            Section("Hub operations", (HUBS, _hubs(moves))),
            sections.categories(facts, numbers=FREIGHT),
            sections.suppliers(facts),
            sections.over_time(facts),
            sections.uncertainty(facts),
            sections.methods(facts),
            *evidence(facts),
        ),
        sources=(STANDARD, words.STANDARD, words.GUIDANCE, *words.UNCERTAINTY_SOURCES),
    )


def _summary(facts: Facts, moves: Sequence[Move]) -> tuple[Block, ...]:
    total, of_all = facts.total, Moved.of(moves)
    rows: tuple[tuple[str, Cell, str], ...] = (
        ("Emissions of transport and hubs", total.tonnes, "t CO2e"),
        ("Median of the distribution", total.median, "t CO2e"),
        ("95 % interval from", total.low, "t CO2e"),
        ("95 % interval to", total.high, "t CO2e"),
        ("Of it transport operations", of_all.transport, "t CO2e"),
        ("Of it hub operations", of_all.hubs, "t CO2e"),
        ("Of it provision of energy, as far as told", of_all.provision, "t CO2e"),
        ("Transport activity", of_all.tonne_km, "tonne-km"),
        ("Emission intensity of it", of_all.g_per_tkm, "g CO2e per tonne-km"),
        ("Transport without tonne-kilometres", of_all.without_tkm, "t CO2e"),
        ("Transport chain elements", of_all.elements, "lines"),
        ("Transport chains", facts.chain_count, "groups"),
    )
    bars = tuple(Bar(mode, of.transport) for mode, of in moved_by(_on_the_way(moves), lambda move: move.mode))
    return (
        _standing_out(facts, of_all),
        Chart("by_mode", "Emissions of transport by mode", "t CO2e", bars),
        words.THREE_NUMBERS,
        Table("summary", "Key figures", FIGURES, rows),
    )


def _standing_out(facts: Facts, of_all: Moved) -> Highlights:
    total = facts.total
    return highlights(
        ("Transport and hubs", f"{amount(total.tonnes)} t CO2e", f"95 %: {amount(total.low)} to {amount(total.high)}"),
        ("Transport activity", f"{amount(of_all.tonne_km)} tkm", f"in {of_all.elements:,} elements"),
        ("Intensity", f"{shown(of_all.g_per_tkm, 'number')} g/tkm", "CO2e of what is in tonne-km"),
        ("Hubs", f"{amount(of_all.hubs)} t CO2e", "storage and handling"),
    )


def _on_the_way(moves: Iterable[Move]) -> list[Move]:
    return [move for move in moves if not move.is_hub]


def _modes(moves: Sequence[Move]) -> tuple[Table, Chart]:
    found = moved_by(_on_the_way(moves), lambda move: move.mode)
    whole = Moved.of(_on_the_way(moves))
    rows = tuple((mode, *_moved(of), share(of.transport, whole.transport)) for mode, of in found)
    columns = (
        *(Column("mode", "Mode"), TCES, TKM, TONNES, Column("provision_t_co2e", "Of it energy provision", "tonnes")),
        *(Column("without_tkm_t_co2e", "Without tonne-km", "tonnes"), G_PER_TKM, SHARE),
    )
    total = ("Total", *_moved(whole), share(whole.transport, whole.transport))
    bars = tuple(Bar(mode, of.g_per_tkm) for mode, of in found if of.g_per_tkm is not None)
    return (
        Table("modes", "Transport by mode", columns, rows, total),
        Chart("intensities", "Emission intensity by mode", "g CO2e per tonne-km", bars),
    )


def _moved(of: Moved) -> tuple[Cell, ...]:
    return (of.elements, of.tonne_km, of.transport, of.provision, of.without_tkm, of.g_per_tkm)


def _categories(moves: Sequence[Move]) -> Table:
    with_tkm = [move for move in _on_the_way(moves) if move.in_tkm]
    found = moved_by(with_tkm, lambda move: (move.mode, move.key, move.name, move.place, move.stage))
    rows = tuple((*of, moved.elements, moved.tonne_km, moved.transport, moved.g_per_line_tkm) for of, moved in found)
    columns = (
        *(Column("mode", "Mode"), Column("factor", "TOC: factor"), Column("name", "Name"), Column("place", "For")),
        *(Column("stage", "Of the energy"), TCES, TKM, TONNES, G_PER_TKM),
    )
    note = "Energy provision has no elements or tonne-kilometres of its own; its intensity is by those of its lines."
    return Table("tocs", "Transport operation categories", columns, rows, note=note)


def _without_tkm(moves: Sequence[Move]) -> Table:
    others = [move for move in _on_the_way(moves) if not move.in_tkm]
    return _activities("other_transport", "Transport without tonne-kilometres", others)


def _hubs(moves: Sequence[Move]) -> Table:
    return _activities("hubs", "Hub operation categories", [move for move in moves if move.is_hub])


def _activities(name: str, title: str, moves: Sequence[Move]) -> Table:
    found = moved_by(moves, lambda move: (move.key, move.name, move.method, move.unit))
    rows = tuple(
        (key, of_name, method, of.lines, of.amount if unit else None, unit or "none", of.all, _kg_per(of, unit))
        for (key, of_name, method, unit), of in found
    )
    columns = (
        *(Column("factor", "Factor"), Column("name", "Name"), Column("method", "Method"), LINES),
        *(Column("amount", "Activity", "number"), Column("unit", "Unit"), TONNES),
        Column("kg_per_unit", "kg CO2e per unit", "number"),
    )
    return Table(name, title, columns, rows)


def _kg_per(of: Moved, unit: str) -> float | None:
    return of.all * 1000 / of.amount if unit and of.amount else None


def _chains(facts: Facts, moves: Sequence[Move]) -> Table:
    found = dict(moved_by(moves, lambda move: move.chain))
    rows = []
    for of in facts.chains:
        moved = found[of.keys[0]]
        figures = moved.elements, moved.tonne_km, moved.transport, moved.hubs
        rows.append((of.keys[0] or "in no chain", *figures, *cells(of), moved.g_per_tkm))
    columns = (
        *(Column("chain", "Chain"), TCES, TKM, Column("transport_t_co2e", "Transport, t", "tonnes")),
        *(Column("hubs_t_co2e", "Hubs, t", "tonnes"), *AMOUNTS, G_PER_TKM),
    )
    note = f"{len(rows):,} of {facts.chain_count:,}, those with the most emissions first."
    return Table("chains", "Transport chains", columns, tuple(rows), note=note)
