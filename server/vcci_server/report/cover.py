"""What the first page says of a report."""

from vcci_server.report.comparing import base_title
from vcci_server.report.facts import Facts
from vcci_server.report.statements import told


def cover(facts: Facts, standard: str) -> tuple[tuple[str, str], ...]:
    """Return names and values, the first of which is the period."""
    base = (("Base period", base_title(facts)),) if facts.base_period else ()
    return (
        ("Reporting period", f"{facts.period.start.isoformat()} to {facts.last_day.isoformat()}"),
        *base,
        ("Standard", standard),
        ("Boundary", told(facts.statements.boundary)),
        ("Global warming potentials", facts.gwp_set or "as each emission factor was published (see Gases)"),
        ("Basis", f"as recalculated by {facts.as_of}" if facts.as_of else "as calculated when the data was uploaded"),
        ("Made", f"{facts.created:%Y-%m-%d %H:%M} UTC"),
        ("Emissions (SHA-256)", facts.emissions_sha256),
    )
