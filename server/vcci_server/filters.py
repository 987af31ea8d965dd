"""Filters after AIP-160, from text to a tree of comparisons; what the fields are is not known here.

filter      = [both]
both        = either {"AND" either}
either      = part {"OR" part}           OR binds closer than AND, as AIP-160 has it
part        = ["NOT" | "-"] ("(" both ")" | comparison)
comparison  = field operator value       operator: = != < <= > >= and : (has)
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NoReturn

from vcci_engine.errors import InvalidField

OPERATORS = ("=", "!=", "<", "<=", ">", ">=", ":")
WORDS = ("AND", "OR", "NOT")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
# A quoted text, an operator, a parenthesis, or anything up to one of these.
TOKEN = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(<=|>=|!=|[=<>:])|([()])|([^\s"'()=<>!:]+)""", re.DOTALL)
ESCAPED = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class FilterLimits:
    """What one filter may be."""

    characters: int = 2_000
    comparisons: int = 50
    depth: int = 10  # parentheses in each other


DEFAULT = FilterLimits()


@dataclass(frozen=True, slots=True)
class Comparison:
    """`field operator value`; places count characters from 1."""

    field: str
    operator: str
    value: str
    quoted: bool
    field_at: int
    operator_at: int
    value_at: int


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a part."""

    part: "Node"


@dataclass(frozen=True, slots=True)
class Both:
    """All of the parts, two or more."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """Any of the parts, two or more."""

    parts: tuple["Node", ...]


Node = Comparison | Not | Both | Either


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # quoted, operator, parenthesis, word, end
    text: str
    at: int


def parse_filter(text: str, limits: FilterLimits = DEFAULT) -> Node | None:
    """Return the tree of a filter, None of an empty one; raise InvalidField, which says where and what was expected."""
    if len(text) > limits.characters:
        expected = f"at most {limits.characters} characters"
        raise InvalidField("filter", f"{len(text)} characters", expected, reason="LIMIT_EXCEEDED")
    tokens = list(_tokens(text))
    return None if tokens[0].kind == "end" else _Parser(tokens, limits).filter()


def refuse(found: str, at: int, expected: str, *, reason: str = "INVALID_FILTER") -> NoReturn:
    """Raise what is wrong at a place of the filter."""
    error = InvalidField("filter", found, f"at character {at} {expected}", reason=reason)
    error.metadata["position"] = str(at)
    raise error


def _tokens(text: str) -> Iterator[_Token]:
    place = 0
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        match = TOKEN.match(text, place)
        if match is None:
            closing = "a closing quotation mark" if text[place] in "\"'" else "="
            refuse(text[place:], place + 1, f"{closing} after {text[place]}")
        kind = ("quoted", "operator", "parenthesis", "word")[(match.lastindex or 1) - 1]
        yield _Token(kind, match[0], place + 1)
        place = match.end()
    yield _Token("end", "", len(text) + 1)


class _Parser:
    """Reads tokens from the left; each method leaves `_next` behind what it has read."""

    def __init__(self, tokens: list[_Token], limits: FilterLimits) -> None:
        self._tokens = tokens
        self._limits = limits
        self._next = 0
        self._comparisons = 0

    def filter(self) -> Node:
        node = self._both(0)
        if self._token.kind != "end":
            self._expected("AND, OR or the end of the filter")
        return node

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._token
        self._next += 1
        return token

    def _took(self, kind: str, text: str) -> bool:
        found = (self._token.kind, self._token.text) == (kind, text)
        self._next += found
        return found

    def _expected(self, what: str) -> NoReturn:
        refuse(self._token.text or "the end of the filter", self._token.at, what)

    def _both(self, depth: int) -> Node:
        return self._joined("AND", lambda: self._joined("OR", lambda: self._part(depth), Either), Both)

    def _joined(self, word: str, read: Callable[[], Node], join: Callable[[tuple[Node, ...]], Node]) -> Node:
        parts = [read()]
        while self._took("word", word):
            parts.append(read())
        return join(tuple(parts)) if len(parts) > 1 else parts[0]

    def _part(self, depth: int) -> Node:
        if self._took("word", "NOT"):
            return Not(self._plain(depth))
        token = self._token
        if token.kind == "word" and token.text.startswith("-"):
            self._tokens[self._next] = _Token("word", token.text[1:], token.at + 1)
            if token.text == "-":
                self._next += 1
            return Not(self._plain(depth))
        return self._plain(depth)

    def _plain(self, depth: int) -> Node:
        opening = self._token
        if not self._took("parenthesis", "("):
            return self._comparison()
        if depth == self._limits.depth:
            expected = f"at most {self._limits.depth} parentheses in each other"
            refuse("(", opening.at, expected, reason="LIMIT_EXCEEDED")
        node = self._both(depth + 1)
        if not self._took("parenthesis", ")"):
            self._expected(f"AND, OR or ) for the ( at character {opening.at}")
        return node

    def _comparison(self) -> Comparison:
        field = self._token
        if field.kind != "word" or field.text in WORDS or not NAME.fullmatch(field.text):
            self._expected("the name of a field, NOT or (")
        self._next += 1
        operator = self._token
        if operator.kind != "operator":
            self._expected(f"one of {' '.join(OPERATORS)} after {field.text}")
        self._next += 1
        value = self._token
        if value.kind not in ("word", "quoted") or (value.kind == "word" and value.text in WORDS):
            self._expected(f"a value to compare {field.text} with; quote texts with spaces or signs")
        self._next += 1
        self._comparisons += 1
        if self._comparisons > self._limits.comparisons:
            expected = f"at most {self._limits.comparisons} comparisons"
            refuse(field.text, field.at, expected, reason="LIMIT_EXCEEDED")
        quoted = value.kind == "quoted"
        text = ESCAPED.sub(r"\1", value.text[1:-1]) if quoted else value.text
        return Comparison(field.text, operator.text, text, quoted, field.at, operator.at, value.at)
