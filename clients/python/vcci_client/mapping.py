"""How the columns of a file become the fields of an activity: the mapping file, in TOML (docs/files.md).

[file]      how the file is written: encoding, delimiter, decimal, thousands, date_formats, sheet, header_line
[fields]    field = template: "{amount}" is a column, "spend_based" a constant, "naics:{naics_code}" both
[values.x]  what the texts of the field x stand for: "Stück" = "piece"
"""

import difflib
import json
import re
import tomllib
from collections.abc import Collection, Sequence
from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from dataclasses import fields as dataclass_fields
from pathlib import Path
from typing import Any

from vcci_client.errors import FileProblem, MappingProblem
from vcci_client.fields import FIELDS, INPUTS, REQUIRED

DATE_FORMATS = ("%Y-%m-%d", "%Y-Q%q")  # %q is the quarter, 1 to 4: its first day
_NOT_TEXTS = ("quantity", "reporting_period")
_PART = re.compile(r"\{\{|\}\}|\{([^{}]+)\}")


@dataclass(frozen=True, slots=True)
class Template:
    """Literal texts and columns in turn: `literals[0] columns[0] literals[1] …`."""

    literals: tuple[str, ...]
    columns: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "Template":
        """Parse `naics:{naics_code}`; `{{` and `}}` stand for braces."""
        literals, columns, at = [""], [], 0
        for match in _PART.finditer(text):
            literals[-1] += text[at : match.start()]
            at = match.end()
            if match[1] is None:
                literals[-1] += match[0][0]
            else:
                columns.append(match[1].strip())
                literals.append("")
        literals[-1] += text[at:]
        return cls(tuple(literals), tuple(columns))

    @property
    def is_column(self) -> bool:
        """Whether it is a column and nothing else."""
        return self.literals == ("", "")

    def fill(self, texts: Sequence[str]) -> str:
        """Return the text for these cells; "" when one of them is empty."""
        if not all(texts):
            return ""
        pairs = zip(texts, self.literals[1:], strict=True)
        return self.literals[0] + "".join(text + literal for text, literal in pairs)


@dataclass(frozen=True, slots=True)
class FileFormat:
    """How a file is written."""

    encoding: str = "utf-8"
    delimiter: str = ","
    decimal: str = "."
    thousands: str = ""
    date_formats: tuple[str, ...] = DATE_FORMATS
    sheet: str = ""  # of a workbook; "": the first one
    header_line: int = 1  # line of the column names; what stands before it is not read


@dataclass(frozen=True, slots=True)
class Mapping:
    """A template per field; `identity` is the same for the same mapping."""

    fields: Map[str, Template]
    values: Map[str, Map[str, str]] = field(default_factory=dict)
    format: FileFormat = FileFormat()
    identity: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it reads, each once."""
        return tuple(dict.fromkeys(column for template in self.fields.values() for column in template.columns))

    def check(self, header: Sequence[str], file: str) -> None:
        """Raise FileProblem unless the file has every column that is read."""
        for name, template in self.fields.items():
            for column in template.columns:
                if column not in header:
                    raise MappingProblem(
                        f"{file} has no column {column!r}, which the mapping reads for "
                        f"{name}{_nearest(column, header)}. Its columns are {_listed(header)}."
                    )
                if list(header).count(column) > 1:
                    raise MappingProblem(f"{file} has the column {column!r}, which is read for {name}, more than once")


def native_mapping(header: Sequence[str], file: str) -> Mapping:
    """Return the mapping of a file that has our own column names; raise FileProblem for any other."""
    missing = [name for name in REQUIRED if name not in header]
    unknown = [column for column in header if column not in FIELDS]
    if missing or unknown:
        raise FileProblem(_header_problem(file, missing, unknown))
    return Mapping({column: Template(("", ""), (column,)) for column in header})


def _header_problem(file: str, missing: Sequence[str], unknown: Sequence[str]) -> str:
    found = [f"the column {column!r} is not one of ours{_nearest(column, FIELDS)}" for column in unknown]
    found += [f"the required column {name!r} is missing" for name in missing]
    return (
        f"{file}: {'; '.join(found)}. Required are {_listed(REQUIRED)}. "
        f"For a file with columns of its own, `vcci upload --guess {file}` proposes a mapping, and --map takes it."
    )


def load_mapping(path: Path) -> Mapping:
    """Read a mapping file; raise MappingProblem when it is not valid."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise MappingProblem(f"{path}: {error}") from error
    try:
        return parse_mapping(document)
    except MappingProblem as error:
        raise MappingProblem(f"{path}: {error}") from None


def parse_mapping(document: Map[str, Any]) -> Mapping:
    """Return the mapping of a TOML document; raise MappingProblem when it is not valid."""
    _check_names("table", document, ("file", "fields", "values"))
    templates = _table(document, "fields")
    _check_names("field", templates, FIELDS)
    for name in REQUIRED:
        if name not in templates:
            raise MappingProblem(f'[fields] has no {name}; give its column, {name} = "{{column}}", or a constant')
    values = _table(document, "values")
    _check_names("field of texts", values, [name for name in templates if name not in (*INPUTS, *_NOT_TEXTS)])
    return Mapping(
        fields={name: Template.parse(_text(f"fields.{name}", template)) for name, template in templates.items()},
        values={name: _texts(f"values.{name}", _table(values, name)) for name in values},
        format=_parse_format(_table(document, "file")),
        identity=json.dumps(document, sort_keys=True, default=str),
    )


def _parse_format(table: Map[str, Any]) -> FileFormat:
    _check_names("setting of [file]", table, [item.name for item in dataclass_fields(FileFormat)])
    for name, value in table.items():
        _check_setting(name, value)
    given: dict[str, Any] = {**table, "date_formats": tuple(table.get("date_formats", DATE_FORMATS))}
    found = FileFormat(**given)
    if found.decimal == found.thousands:
        raise MappingProblem("file.thousands: it is the decimal sign too")
    return found


def _check_setting(name: str, value: object) -> None:
    match name, value:
        case "date_formats", [*formats] if formats and all(isinstance(form, str) and "%" in form for form in formats):
            return
        case "date_formats", _:
            raise MappingProblem(f'file.date_formats: found {value!r}, expected a list like ["%m/%d/%y", "%Y-%m-%d"]')
        case "header_line", int() if value >= 1:
            return
        case "header_line", _:
            raise MappingProblem(f"file.header_line: found {value!r}, expected a line number from 1")
        case (("delimiter" | "decimal"), str()) if len(value) == 1:
            return
        case (("encoding" | "sheet"), str()):
            return
        case "thousands", str() if len(value) <= 1:
            return
    raise MappingProblem(f"file.{name}: found {value!r}, expected {_EXPECTED.get(name, 'one character')}")


_EXPECTED = {"encoding": "a name like cp1252", "sheet": "a sheet's name", "thousands": "one character, or nothing"}


def _table(document: Map[str, Any], name: str) -> Map[str, Any]:
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise MappingProblem(f"{name}: found {table!r}, expected a table, [{name}]")
    return table


def _text(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise MappingProblem(f'{name}: found {value!r}, expected a text like "{{column}}", or a number')


def _texts(name: str, table: Map[str, object]) -> dict[str, str]:
    return {text: _text(f"{name}.{text}", value) for text, value in table.items()}


def _check_names(what: str, found: Collection[str], known: Sequence[str]) -> None:
    for name in found:
        if name not in known:
            raise MappingProblem(f"{name!r} is not a {what}{_nearest(name, known)}. Known are {_listed(known)}.")


def _nearest(name: str, known: Collection[str]) -> str:
    by_form = {item.casefold().replace(" ", "_"): item for item in known}
    near = difflib.get_close_matches(name.casefold().replace(" ", "_"), by_form, n=1)
    return f" (did you mean {by_form[near[0]]!r}?)" if near else ""


def _listed(names: Collection[str]) -> str:
    return ", ".join(names)
