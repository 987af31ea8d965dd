"""The project's own factor file: one factor a line, a source on each (docs/factors.md)."""

import csv
import io
from collections.abc import Iterable, Mapping

from vcci_engine import units
from vcci_engine.gwp import CO2E, CO2E_SETS, GASES
from vcci_engine.methods.multipliers import MARGINS, PRICE_BASES
from vcci_engine.regions import is_region

from vcci_server.importers.csv_rows import Row, read_rows
from vcci_server.importers.problems import Problems
from vcci_server.importers.record import CODE, GSD2_BASIC, GWP_SETS, SOURCE, TEXT, FactorRecord

REQUIRED = ("source", "code", "name", "year", "unit", "kg_co2e", "source_note")
_REGION = "a code of ISO 3166-1 alpha-2 in capitals, of UN M49 (150), EU, or nothing for the whole world"
OPTIONAL = ("region", "gases", "gwp_set", "gsd2", "price_year", "price_basis", "margins")
COLUMNS = (
    *("source", "code", "name", "region", "year", "unit", "kg_co2e", "gases", "gwp_set", "gsd2"),
    *("price_year", "price_basis", "margins", "source_note"),
)
HEADER = ",".join(COLUMNS).encode() + b"\n"

GSD2_LARGEST = 100.0  # a factor known within two orders of magnitude

_GASES = GASES | CO2E_SETS.keys() - {CO2E}


def read(data: bytes) -> list[FactorRecord]:
    """Return the factors of a file, in its order; raise InvalidFactorFile when any line is wrong."""
    problems = Problems()
    return read_records(read_rows(data, problems, REQUIRED, OPTIONAL), problems)


def read_records(rows: Iterable[Row], problems: Problems) -> list[FactorRecord]:
    """Return the factors of rows in this layout; raise InvalidFactorFile when any is wrong."""
    records: list[FactorRecord] = []
    line_of: dict[tuple[str, str, int], int] = {}
    for row in rows:
        record = _record(row)
        identity = (record.key, record.region, record.year)
        earlier = line_of.setdefault(identity, row.line)
        if earlier != row.line:
            expected = f"each key, region and year once; {problems.place(earlier, '')} has the same"
            problems.add(row.line, "code", f"{record.key},{record.region},{record.year}", expected)
        records.append(record)
    problems.raise_if_any()
    return records


def write_csv(records: Iterable[FactorRecord]) -> bytes:
    """Return the file that `read` reads back as equal records; the same records give the same bytes."""
    return HEADER + write_lines(records)


def write_lines(records: Iterable[FactorRecord]) -> bytes:
    """Return the lines of a file below its header."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(map(_cells, records))
    return text.getvalue().encode()


def _record(row: Row) -> FactorRecord:
    return FactorRecord(
        source=row.text("source", SOURCE.fullmatch, "lower-case letters, digits and _, like naics"),
        code=row.text("code", CODE.fullmatch, "letters, digits and . _ + / -, like 331110"),
        name=row.text("name", TEXT.fullmatch, "a name of 1 to 500 characters on one line"),
        region=row.text("region", is_region, _REGION),
        year=row.year("year"),
        unit=row.text("unit", units.parse, "a unit, like kg, kWh, tonne*km or USD"),
        kg_co2e=row.number("kg_co2e"),
        gases=_gases(row),
        gwp_set=row.choice("gwp_set", GWP_SETS),
        gsd2=row.number("gsd2", at_least=1.0, at_most=GSD2_LARGEST, if_empty=GSD2_BASIC),
        price_year=row.year("price_year", if_empty=0),
        price_basis=row.choice("price_basis", PRICE_BASES),
        margins=row.choice("margins", MARGINS),
        source_note=row.text("source_note", TEXT.fullmatch, "where it was published, 1 to 500 characters on one line"),
    )


def _gases(row: Row) -> Mapping[str, float]:
    """Read `CO2=2.66 CH4=0.0000103`, kg of each gas per unit."""
    gases: dict[str, float] = {}
    for part in row.cells.get("gases", "").split():
        name, _, amount = part.partition("=")
        gas = Row(row.line, {"gases": amount}, row.problems)
        if name not in _GASES or name in gases:
            expected = "each gas once, by its IPCC name, like CO2=2.66 CH4=0.0000103 HFC134a=0.002"
            row.problems.add(row.line, "gases", part, expected)
        else:
            gases[name] = gas.number("gases")
    return gases


def _cells(record: FactorRecord) -> list[str]:
    gases = " ".join(f"{name}={amount!r}" for name, amount in sorted(record.gases.items()))
    price_year = str(record.price_year) if record.price_year else ""
    return [
        *(record.source, record.code, record.name, record.region, str(record.year), record.unit),
        *(repr(record.kg_co2e), gases, record.gwp_set, repr(record.gsd2)),
        *(price_year, record.price_basis, record.margins, record.source_note),
    ]
