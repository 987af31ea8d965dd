"""The fields of suppliers by which they are filtered and ordered, and filters as SQL conditions."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from vcci_engine.countries import alpha_2

from vcci_server.filters import Both, Comparison, Either, Node, Not, refuse
from vcci_server.storage.run_figures import FiguresAsOf

FIGURES = frozenset(
    {"emission_count", "kg_co2e", "carbon_intensity", "currency", "spend", "data_quality", "primary_share"}
)  # of supplier_figures; the others are of suppliers
STATUSES = ("ACTIVE", "INACTIVE")
WILD = "*"


@dataclass(frozen=True, slots=True)
class Field:
    """A field that filters compare: its column, and how a value is read (which refuses a wrong one)."""

    column: str
    read: Callable[[Comparison], str | float]
    operators: Sequence[str]
    is_text: bool = False


def _text(given: Comparison) -> str:
    if "\0" in given.value:
        refuse(given.value, given.value_at, "text without NUL characters")
    return given.value


def _country(given: Comparison) -> str:
    code = alpha_2(given.value)
    if code is None:
        refuse(given.value, given.value_at, 'a code of ISO 3166-1, or "" for none')
    return code


def _status(given: Comparison) -> str:
    if given.value.upper() not in STATUSES:
        refuse(given.value, given.value_at, " or ".join(STATUSES))
    return given.value.lower()


def _number(given: Comparison) -> float:
    try:
        value = math.nan if given.quoted else float(given.value)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        refuse(given.value, given.value_at, f"a number to compare {given.field} with")
    return value


TEXT_OPERATORS = ("=", "!=", ":")
CHOICE_OPERATORS = ("=", "!=")
NUMBER_OPERATORS = ("=", "!=", "<", "<=", ">", ">=", ":")

FIELDS: Mapping[str, Field] = {
    "code": Field("s.code", _text, TEXT_OPERATORS, True),
    "display_name": Field("s.display_name", _text, TEXT_OPERATORS, True),
    "country": Field("s.country", _country, TEXT_OPERATORS),
    "industry": Field("s.industry", _text, TEXT_OPERATORS, True),
    "status": Field("s.status", _status, CHOICE_OPERATORS),
    "currency": Field("f.currency", _text, TEXT_OPERATORS, True),
    **{
        name: Field(f"f.{name}", _number, NUMBER_OPERATORS)
        for name in ("emission_count", "kg_co2e", "carbon_intensity", "spend", "data_quality", "primary_share")
    },
}


@dataclass(slots=True)
class Condition:
    """A condition in SQL; its values are the arguments from number `first` on."""

    first: int
    sql: str = ""
    values: list[object] = field(default_factory=list)
    figures: bool = False  # whether it compares columns of supplier_figures
    as_of: FiguresAsOf | None = None  # instead of supplier_figures

    def argument(self, value: object, kind: str) -> str:
        """Add a value and return how it is named."""
        self.values.append(value)
        return f"${self.first + len(self.values) - 1}::{kind}"


def condition(tree: Node | None, first: int, as_of: FiguresAsOf | None = None) -> Condition:
    """Return the condition that a filter is; of what is absent every comparison is false."""
    made = Condition(first, as_of=as_of)
    made.sql = _sql(tree, made) if tree is not None else "true"
    return made


def _sql(node: Node, made: Condition) -> str:
    match node:
        case Comparison():
            return _comparison(node, made)
        case Not():
            return f"({_sql(node.part, made)}) IS NOT TRUE"
        case Both():
            return "(" + " AND ".join(_sql(part, made) for part in node.parts) + ")"
        case Either():
            return "(" + " OR ".join(_sql(part, made) for part in node.parts) + ")"


def _comparison(given: Comparison, made: Condition) -> str:
    known = FIELDS.get(given.field)
    if known is None:
        refuse(given.field, given.field_at, f"a field: {', '.join(FIELDS)}", reason="UNKNOWN_FIELD")
    if given.operator not in known.operators:
        refuse(given.operator, given.operator_at, f"one of {' '.join(known.operators)} after {given.field}")
    is_there = given.operator == ":" and given.value == WILD
    if given.field in FIGURES and made.as_of is not None:
        chosen = made.as_of.chosen(given, None if is_there else known.read(given))
        return f"s.supplier_id = ANY ({made.argument(chosen, 'int4[]')})"
    made.figures |= given.field in FIGURES
    if is_there:
        return f"{known.column} <> ''" if known.read in (_text, _country) else f"{known.column} IS NOT NULL"
    if known.is_text and (WILD in given.value or given.operator == ":"):
        return _like(known, given, made)
    value = known.read(given)
    operator = {":": "=", "!=": "<>"}.get(given.operator, given.operator)
    return f"{known.column} {operator} {made.argument(value, 'float8' if isinstance(value, float) else 'text')}"


def _like(known: Field, given: Comparison, made: Condition) -> str:
    """`33*` begins with 33; with `:` the text may be anywhere."""
    literal = str(known.read(given)).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    pattern = literal.replace(WILD, "%")
    if given.operator == ":":
        return f"{known.column} ILIKE {made.argument(f'%{pattern}%', 'text')}"
    operator = "NOT LIKE" if given.operator == "!=" else "LIKE"
    return f"{known.column} {operator} {made.argument(pattern, 'text')}"


__all__ = ["FIELDS", "FIGURES", "Condition", "condition"]
