"""Proposes a mapping for a file with columns of its own, from their names and their first values."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vcci_client import reading
from vcci_client.cells import texts
from vcci_client.errors import FileProblem
from vcci_client.fields import FIELDS, INPUTS, OPTIONAL, REQUIRED
from vcci_client.files import DELIMITED, kind_of, open_reader
from vcci_client.files.texts import TextFile, check_text
from vcci_client.mapping import DATE_FORMATS, FileFormat

ROWS_LOOKED_AT = 1_000
MOSTLY = 0.9  # of the values, for a column to be taken for a field
ENCODINGS = ("utf-8", "cp1252")

# The words of a column's name that speak for a field, best first; a column is taken once.
NAMES: dict[str, tuple[str, ...]] = {
    "supplier_code": (
        *(
            "supplier code",
            "supplier id",
            "supplier number",
            "supplier no",
            "vendor code",
            "vendor id",
            "vendor number",
        ),
        *("vendor no", "vendor", "supplier", "creditor", "creditor number", "lieferantennummer", "kreditor"),
    ),
    "supplier_name": ("supplier name", "vendor name", "supplier", "vendor", "company", "payee", "lieferant", "name"),
    "country": ("country", "country code", "supplier country", "vendor country", "land"),
    "category": ("category", "scope 3 category", "ghg category"),
    "quantity": (
        *(
            "quantity",
            "amount",
            "net amount",
            "spend",
            "spend amount",
            "invoice amount",
            "total amount",
            "value",
            "qty",
        ),
        *("amount usd", "amount eur", "betrag", "menge", "total", "netto", "nettobetrag"),
    ),
    "unit": ("unit", "uom", "unit of measure", "currency", "currency code", "einheit", "waehrung", "währung"),
    "reporting_period": (
        *("reporting period", "period", "date", "invoice date", "posting date", "transaction date", "document date"),
        *("quarter", "month", "datum", "buchungsdatum"),
    ),
    "method": ("method",),
    "reference": ("reference", "invoice number", "invoice no", "invoice", "document number", "document", "po number"),
    "group": ("group", "cost center", "cost centre", "site", "building"),
}
CODES = {"naics": ("naics", "naics code", "naics 2017", "naics6")}  # columns of codes: the factor is source:code

DATES = (
    *("%Y-%m-%d", "%Y-Q%q", "%m/%d/%Y", "%d/%m/%Y", "%m/%d/%y", "%d/%m/%y", "%d.%m.%Y", "%d.%m.%y", "%Y%m%d"),
    *("%d-%m-%Y", "%Y/%m/%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%Y-%m"),
)


DEFAULTS = {
    "category": ("1", "no column: 1 is purchased goods and services; the others are in docs/files.md"),
    "unit": ('"USD"', "no column: the currency or unit of the quantities"),
}


@dataclass(frozen=True, slots=True)
class _Sample:
    """The first rows of a file, as texts by column."""

    form: FileFormat
    columns: dict[str, list[str]]

    def values(self, column: str) -> list[str]:
        """Return the cells that are not empty."""
        return [text for text in self.columns[column] if text]


def guess_mapping(path: Path) -> str:
    """Return a mapping proposed for the file, as TOML with comments."""
    sample = _read(path)
    chosen = _choose(sample)
    lines = [
        f"# Proposed for {path.name} by its column names and its first {ROWS_LOOKED_AT:,} rows: read it, mend it, then",
        f"#   vcci upload {path.name} --map THIS_FILE",
        *_file_table(sample, chosen),
        *_fields_table(sample, chosen),
    ]
    return "\n".join(lines) + "\n"


def _read(path: Path) -> _Sample:
    form = _text_form(path) if kind_of(path) in DELIMITED else FileFormat()
    reader = open_reader(path, form)
    try:
        chunk = next(reader.chunks(reader.header, ROWS_LOOKED_AT), None)
    finally:
        reader.close()
    if chunk is None:
        raise FileProblem(f"{path.name} has no rows")
    found = {name: texts(array) for name, array in chunk.columns.items()}
    return _Sample(form, {name: [each.entries[entry] for entry in each.index.tolist()] for name, each in found.items()})


def _text_form(path: Path) -> FileFormat:
    encoding = next((name for name in ENCODINGS if _is_encoded(path, name)), ENCODINGS[0])
    file = TextFile(path)
    header = file.text(encoding).readline()
    file.close()
    return FileFormat(encoding=encoding, delimiter=max(",;\t|", key=header.count))


def _is_encoded(path: Path, encoding: str) -> bool:
    try:
        check_text(path, encoding)
    except FileProblem:
        return False
    return True


def _choose(sample: _Sample) -> dict[str, str]:
    """Return the column of each field, best names first; a column serves one field."""
    words = {column: _words(column) for column in sample.columns}
    chosen = {name: name for name in FIELDS if name in sample.columns}
    wanted = [(rank, field, name) for field, names in NAMES.items() for rank, name in enumerate(names)]
    for _, field, name in sorted(wanted, key=lambda item: item[0]):
        for column in sample.columns:
            is_free = field not in chosen and column not in chosen.values() and words[column] == name
            if is_free and _fits(field, sample.values(column)):
                chosen[field] = column
    return chosen


def _words(column: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column).casefold()))


def _fits(field: str, values: Sequence[str]) -> bool:
    """Whether most of a column's values could be the field's."""
    checks: dict[str, Callable[[str], object]] = {
        "quantity": _is_number,
        "country": lambda text: text.isalpha() and len(text) in (2, 3),
        "unit": lambda text: len(text) <= 20 and not _is_number(text),
        "reporting_period": lambda text: any(_is_date(text, form) for form in DATES),
        "supplier_name": lambda text: not _is_number(text),
        "category": lambda text: reading.category(text) is not None,
        "method": lambda text: reading.method(text) is not None,
    }
    check = checks.get(field, bool)
    return bool(values) and sum(bool(check(text)) for text in values) >= MOSTLY * len(values)


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[+-]?\d[\d.,' ]*", text))


def _is_date(text: str, form: str) -> bool:
    return reading.dates((form,))(text) is not None


def _file_table(sample: _Sample, chosen: dict[str, str]) -> list[str]:
    form = sample.form
    lines = [f"{name} = {json.dumps(getattr(form, name))}" for name in ("encoding", "delimiter")]
    lines = [
        line for line, usual in zip(lines, ('encoding = "utf-8"', 'delimiter = ","'), strict=True) if line != usual
    ]
    if "quantity" in chosen:
        lines += _number_signs(sample.values(chosen["quantity"]))
    if "reporting_period" in chosen:
        lines += _date_formats(sample.values(chosen["reporting_period"]))
    return ["", "[file]", *lines] if lines else []


def _number_signs(values: Sequence[str]) -> list[str]:
    """Return how decimals and thousands are written, where that is not the usual way."""
    comma = sum(bool(re.fullmatch(r"[+-]?[\d.' ]*\d,\d{1,2}", text)) for text in values)
    point = sum(bool(re.fullmatch(r"[+-]?[\d,' ]*\d\.\d+", text)) for text in values)
    decimal = "," if comma > point else "."
    grouped = [text[-4] for text in (re.sub(rf"\{decimal}\d*$", "", value) for value in values) if _is_grouped(text)]
    lines = ['decimal = ","'] if decimal == "," else []
    return lines + ([f"thousands = {json.dumps(max(grouped, key=grouped.count))}"] if grouped else [])


def _is_grouped(text: str) -> bool:
    return bool(re.fullmatch(r"[+-]?\d{1,3}([.,' ]\d{3})+", text))


def _date_formats(values: Sequence[str]) -> list[str]:
    """Return the formats that read the dates, the one that reads most of them first."""
    left, formats, comments = list(dict.fromkeys(values)), [], []
    while left:
        read = {form: [text for text in left if _is_date(text, form)] for form in DATES}
        best = max(DATES, key=lambda form: len(read[form]))
        if not read[best]:
            break
        formats.append(best)
        rivals = [form for form in DATES if form != best and read[form] == read[best]]
        comments += [f"# {best} or {form}? Each of these dates can be read both ways." for form in rivals]
        left = [text for text in left if text not in read[best]]
    if not formats or set(formats) <= set(DATE_FORMATS):
        return []
    return [*comments, f"date_formats = {json.dumps(formats)}"]


def _fields_table(sample: _Sample, chosen: dict[str, str]) -> list[str]:
    lines = ["", "[fields]"]
    for field in (*REQUIRED, *OPTIONAL, *INPUTS):
        if field in chosen:
            lines.append(f"{field} = {json.dumps('{' + chosen[field] + '}')}  # {_examples(sample, chosen[field])}")
        elif field in DEFAULTS:
            value, comment = DEFAULTS[field]
            lines.append(f"{field} = {value}  # {comment}")
        elif field in REQUIRED:
            lines.append(f'# {field} = "{{column}}"  # required, and no column looks like it')
        elif field == "factor":
            lines += _factor_lines(sample)
    unused = [column for column in sample.columns if column not in chosen.values() and not _code_source(column)]
    return [*lines, f"# Not used: {', '.join(unused)}"] if unused else lines


def _factor_lines(sample: _Sample) -> list[str]:
    for column in sample.columns:
        if source := _code_source(column):
            template = json.dumps(f"{source}:{{{column}}}")
            return ['method = "spend_based"', f"factor = {template}  # {_examples(sample, column)}"]
    return ['# factor = "naics:{column}"  # no column looks like it: the key of an emission factor, source:code']


def _code_source(column: str) -> str:
    return next((source for source, names in CODES.items() if _words(column) in names), "")


def _examples(sample: _Sample, column: str) -> str:
    different = list(dict.fromkeys(sample.values(column)))[:3]
    return ", ".join(text[:30].replace("\n", " ") for text in different) or "empty"
