"""Filters after AIP-160: what they mean, and where exactly a wrong one is wrong."""

from collections.abc import Mapping

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from vcci.v1.supplier_service_pb2 import Supplier
from vcci_engine.errors import InvalidField
from vcci_server.filters import DEFAULT, Both, Comparison, Either, Node, Not
from vcci_server.filters import parse_filter as parse
from vcci_server.storage.supplier_fields import FIELDS, condition
from vcci_server.storage.supplier_lists import COLUMNS

WORDS = ("AND", "OR", "NOT")
names = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True).filter(lambda name: name.upper() not in WORDS)
comparisons = st.builds(
    lambda name, operator, value: (name, operator, value),
    names,
    st.sampled_from(["=", "!=", "<", "<=", ">", ">=", ":"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)
trees = st.recursive(
    comparisons,
    lambda below: st.one_of(
        st.tuples(st.just("NOT"), below),
        st.tuples(st.sampled_from(["AND", "OR"]), st.lists(below, min_size=2, max_size=3)),
    ),
    max_leaves=12,
)


def _written(tree: object) -> str:
    """Write a tree as text, each part in parentheses."""
    match tree:
        case ("NOT", part):
            return f"NOT ({_written(part)})"
        case (("AND" | "OR") as word, [*parts]):
            return f" {word} ".join(f"({_written(part)})" for part in parts)
        case (name, operator, value):
            assert isinstance(value, str)
            quoted = value.replace("\\", "\\\\").replace('"', '\\"')
            return f'{name} {operator} "{quoted}"'
    raise AssertionError(tree)


def _read(node: Node) -> object:
    match node:
        case Comparison():
            return node.field, node.operator, node.value
        case Not():
            return "NOT", _read(node.part)
        case Both():
            return "AND", [_read(part) for part in node.parts]
        case Either():
            return "OR", [_read(part) for part in node.parts]


def _depth(tree: object) -> int:
    match tree:
        case ("NOT", part):
            return 1 + _depth(part)
        case ("AND" | "OR", [*parts]):
            return 1 + max(map(_depth, parts))
    return 0


@given(trees)
def test_what_is_written_is_read(tree: object) -> None:
    text = _written(tree)
    if _depth(tree) <= DEFAULT.depth and len(text) <= DEFAULT.characters:
        node = parse(text)
        assert node is not None
        assert _read(node) == tree


def _refused(text: str) -> InvalidField | None:
    try:
        parse(text)
    except InvalidField as error:
        return error
    return None


@settings(max_examples=500)
@given(st.text(st.sampled_from("abn=<>!:()\"'\\-* \n1.ANDORT"), max_size=40))
@example("(" * 400)
@example("NOT " * 400 + "a=1")
@example("-" * 400)
def test_any_text_is_read_or_refused_with_a_place_in_it(text: str) -> None:
    error = _refused(text)
    if error is not None:
        assert (error.reason, error.problem.field) == ("INVALID_FILTER", "filter") or error.reason == "LIMIT_EXCEEDED"
        assert 1 <= int(error.metadata["position"]) <= len(text) + 1


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_filter_chooses_all(text: str) -> None:
    assert parse(text) is None


def test_or_binds_closer_than_and() -> None:
    node = parse("a = 1 AND b = 2 OR -c:3")
    assert node is not None
    assert _read(node) == ("AND", [("a", "=", "1"), ("OR", [("b", "=", "2"), ("NOT", ("c", ":", "3"))])])


@pytest.mark.parametrize(
    ("text", "found", "position", "expected"),
    [
        ("country", "the end of the filter", 8, "one of = != < <= > >= : after country"),
        ("country = ", "the end of the filter", 11, "a value to compare country with"),
        ("country = DE FR", "FR", 14, "AND, OR or the end of the filter"),
        ("a = 1 AND", "the end of the filter", 10, "the name of a field, NOT or ("),
        ("a = 1 OR OR b = 2", "OR", 10, "the name of a field, NOT or ("),
        ("(a = 1", "the end of the filter", 7, "AND, OR or ) for the ( at character 1"),
        ("a = 1)", ")", 6, "AND, OR or the end of the filter"),
        ("a ! 1", "! 1", 3, "= after !"),
        ("a = 'x", "'x", 5, "a closing quotation mark after '"),
        ("1a = 2", "1a", 1, "the name of a field, NOT or ("),
        ("a = AND", "AND", 5, "a value to compare a with"),
    ],
)
def test_an_error_names_place_and_what_was_expected(text: str, found: str, position: int, expected: str) -> None:
    with pytest.raises(InvalidField) as raised:
        parse(text)
    assert raised.value.problem.value == found
    assert raised.value.metadata == {"position": str(position)}
    assert raised.value.problem.expected.startswith(f"at character {position} {expected}")


@pytest.mark.parametrize(
    "text",
    [
        "a=1 OR " * DEFAULT.comparisons + "a=1",
        "(" * (DEFAULT.depth + 1) + "a=1" + ")" * (DEFAULT.depth + 1),
        "a = " + "x" * DEFAULT.characters,
    ],
)
def test_length_depth_and_number_are_bounded(text: str) -> None:
    with pytest.raises(InvalidField) as raised:
        parse(text)
    assert raised.value.reason == "LIMIT_EXCEEDED"


@pytest.mark.parametrize(
    ("text", "position", "reason"),
    [
        ("name = x", 1, "UNKNOWN_FIELD"),
        ("kg_co2e > much", 11, "INVALID_FILTER"),
        ("kg_co2e > nan", 11, "INVALID_FILTER"),
        ('kg_co2e > "5"', 11, "INVALID_FILTER"),
        ("country > DE", 9, "INVALID_FILTER"),
        ("country = Germany", 11, "INVALID_FILTER"),
        ("status = GONE", 10, "INVALID_FILTER"),
        ("status:ACTIVE", 7, "INVALID_FILTER"),
        ('code = "a\0"', 8, "INVALID_FILTER"),
    ],
)
def test_a_field_or_value_that_suppliers_do_not_have_is_refused(text: str, position: int, reason: str) -> None:
    with pytest.raises(InvalidField) as raised:
        condition(parse(text), first=3)
    assert (raised.value.reason, raised.value.metadata["position"]) == (reason, str(position))


@pytest.mark.parametrize(
    ("text", "sql", "values"),
    [
        ("country = deu", "s.country = $3::text", ["DE"]),
        ("industry = 33*", "s.industry LIKE $3::text", ["33%"]),
        ("display_name:50%_", "s.display_name ILIKE $3::text", ["%50\\%\\_%"]),
        ("NOT kg_co2e >= 1e3", "(f.kg_co2e >= $3::float8) IS NOT TRUE", [1000.0]),
        ("currency:*", "f.currency <> ''", []),
    ],
)
def test_a_value_is_an_argument_never_a_part_of_the_statement(text: str, sql: str, values: list[object]) -> None:
    made = condition(parse(text), first=3)
    assert (made.sql, made.values) == (sql, values)


def test_the_field_table_is_the_contracts() -> None:
    fields: Mapping[str, object] = Supplier.DESCRIPTOR.fields_by_name
    assert set(COLUMNS) == set(fields)
    assert set(FIELDS) < set(fields)
