"""Page tokens."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vcci_engine.errors import InvalidField
from vcci_server.tokens import read_token, write_token

INTEGERS = st.integers(-(2**63) + 1, 2**63 - 1)


@given(INTEGERS)
def test_a_number_comes_back(key: int) -> None:
    assert read_token(write_token("list", 1, key), "list", 1, default=0) == key


@given(st.tuples(st.text(), st.text(), INTEGERS))
def test_a_key_of_several_parts_comes_back(key: tuple[str, str, int]) -> None:
    assert read_token(write_token("list", 1, key), "list", 1, default=("", "", 0)) == key


def test_an_empty_token_is_the_first_page() -> None:
    assert read_token("", "list", 1, default="first") == "first"


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "not a token!",
        "é",
        write_token("another list", 1, 5),
        write_token("list", 2, 5),
        write_token("list", 1, "text"),
        write_token("list", 1, (5, 5)),
        write_token("list", 1, 2**63),
        write_token("list", 1, True),
        base64.urlsafe_b64encode(b"[" * 100_000).decode(),
        base64.urlsafe_b64encode(b"{}").decode(),
        base64.urlsafe_b64encode(b"\xff\xff").decode(),
        base64.urlsafe_b64encode(b'[2,"list",1,5]').decode(),
    ],
)
def test_a_token_of_something_else_is_refused(token: str) -> None:
    with pytest.raises(InvalidField) as raised:
        read_token(token, "list", 1, default=0)
    assert (raised.value.reason, raised.value.problem.field) == ("INVALID_TOKEN", "page_token")
