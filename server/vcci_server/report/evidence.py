"""The sections that an auditor follows figures with: gases, factors, restatements, hashes."""

from collections import defaultdict
from collections.abc import Iterable

from vcci_server.report.facts import DataSet, Factor, Facts
from vcci_server.report.model import Block, Column, Section, Table

TONNES = Column("t_co2e", "t CO2e", "tonnes")
LINES = Column("lines", "Lines", "count")
MOST_FACTORS = 200


def evidence(facts: Facts) -> tuple[Section, ...]:
    """Return the sections."""
    return (
        Section("Gases and global warming potentials", _gases(facts)),
        Section("Emission factors", _factors(facts)),
        Section("Restatements", _restatements(facts)),
        Section("Inputs", _inputs(facts)),
    )


def _gases(facts: Facts) -> tuple[Block, ...]:
    blocks: list[Block] = []
    if facts.gases:
        columns = (Column("gas", "Gas"), Column("kg", "kg of the gas", "number"), TONNES)
        note = "As far as the emission factors give gases; biogenic CO2 is not among them."
        rows = tuple((gas.gas, gas.kg, gas.tonnes) for gas in facts.gases)
        blocks.append(Table("gases", "Emissions by gas", columns, rows, note=note))
    if facts.gwp_sets:
        sets = tuple((name or "unknown (suppliers' own)", tonnes) for name, tonnes in facts.gwp_sets)
        blocks.append(Table("gwp_sets", "Emissions by GWP set", (Column("gwp_set", "GWP set"), TONNES), sets))
    blocks.append(f"Biogenic CO2, reported apart from the total: {facts.biogenic_tonnes:,.3f} t.")
    if facts.rows_of_unknown_gases:
        blocks.append(f"The gases of {facts.rows_of_unknown_gases:,} lines cannot be told.")
    if facts.mixed_gwp_sets:
        blocks.append("The total adds up emissions under different GWP sets, or unknown ones.")
    return tuple(blocks)


def _factors(facts: Facts) -> tuple[Block, ...]:
    publications, number = _publications(facts.factors)
    columns = (
        *(Column("factor", "Factor"), Column("name", "Name"), Column("region", "Region"), Column("year", "Year")),
        *(Column("kg_co2e", "kg CO2e", "number"), Column("unit", "per"), Column("gwp_set", "GWP set"), LINES, TONNES),
        *(Column("publication", "Source", "count"), Column("place", "Place in it")),
    )
    rows = tuple(
        (
            *(of.key, of.name, of.region or "world", str(of.year)),
            *(of.kg_co2e, of.unit, of.gwp_set or "unknown", of.rows, of.tonnes),
            *(number[of.publication], of.place),
        )
        for of in facts.factors[:MOST_FACTORS]
    )
    note = (
        f"{len(rows):,} of the {len(facts.factors):,} factors used, those with the most emissions first; emissions as "
        "stored, under each factor's own GWP set. What suppliers' own factors and reports make is not among them."
    )
    return (publications, Table("factors", "Emission factors used", columns, rows, note=note))


def _publications(factors: Iterable[Factor]) -> tuple[Table, dict[str, int]]:
    """Return what each publication makes, the largest first, and their numbers."""
    by_publication: dict[str, list[Factor]] = defaultdict(list)
    for factor in factors:
        by_publication[factor.publication].append(factor)
    found = [
        (publication, len(of), sum(each.rows for each in of), sum(each.tonnes for each in of))
        for publication, of in by_publication.items()
    ]
    columns = (
        *(Column("number", "No.", "count"), Column("publication", "Publication")),
        *(Column("factors", "Factors", "count"), LINES, TONNES),
    )
    rows = tuple((n, *of) for n, of in enumerate(sorted(found, key=lambda of: (-of[3], of[0])), 1))
    return Table("factor_sources", "Sources of the emission factors", columns, rows), {of[1]: of[0] for of in rows}


def _restatements(facts: Facts) -> tuple[Block, ...]:
    if not facts.restatements:
        return ("Nothing that is stored was recalculated.",)
    columns = (
        *(Column("run", "Recalculation"), Column("name", "Name"), Column("ended", "Date", "date")),
        *(Column("factor_set", "Factor set"), Column("gwp_set", "GWP set")),
        *(Column("before", "Before, t CO2e", "tonnes"), Column("after", "After, t CO2e", "tonnes")),
        *(Column("difference", "Difference, t CO2e", "tonnes"), Column("change", "Change", "share")),
    )
    rows = tuple(
        (
            *(of.resource, of.name, of.ended.date() if of.ended else None, of.factor_set, of.gwp_set or "own"),
            *(of.before, of.after, of.after - of.before, (of.after - of.before) / of.before if of.before else None),
        )
        for of in facts.restatements
    )
    which = (
        f"This report has the results of {facts.as_of}." if facts.as_of else "This report has none of their results."
    )
    note = f"Recalculations of any period that have succeeded, newest first. {which}"
    return (Table("restatements", "Recalculations", columns, rows, note=note),)


def _inputs(facts: Facts) -> tuple[Block, ...]:
    sets: tuple[DataSet, ...] = (*facts.factor_sets, *facts.price_sets)
    made = {of.resource: of for of in sets}
    rows = tuple(
        (name, made[name].name, made[name].created.date(), sha256)
        if name in made
        else (name, "exact sums by month, category, method and factor", None, sha256)
        for name, sha256 in facts.inputs
    )
    columns = (
        *(Column("input", "Input"), Column("name", "Name"), Column("made", "Made", "date")),
        Column("sha256", "SHA-256 of its contents"),
    )
    note = "A report of the same inputs and period has the same figures."
    return (Table("inputs", "What this report was made of", columns, rows, note=note),)
