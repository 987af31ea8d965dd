"""Headers, claims and keys with values that nobody expects there: refused as such, or taken for what they are."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vcci_engine.errors import Unauthenticated, VcciError

from tests.fuzz import tokens

HUGE = (10**400, -(10**400), 2**63, 1e308, float("inf"), float("nan"), -0.0)
TEXTS = ("", "\0", "\ud800", "acme\0", "ACME", "../acme", "acme'--", "é" * 200, "1", "0", "null", "[]", "none")
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(HUGE), st.text(max_size=8))
    | st.sampled_from((*TEXTS, tokens.ISSUER, tokens.AUDIENCE, tokens.KEY_ID, "acme", "admin")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
CLAIMS = ("iss", "aud", "sub", "tenant", "roles", "exp", "nbf", "iat", "jti")
ODD: tuple[Any, ...] = (None, True, [], {}, [None], [[]], [{}], ["acme"], *HUGE, *TEXTS)
claims = st.dictionaries(st.sampled_from(CLAIMS), values, max_size=3)
headers = st.fixed_dictionaries(
    {},
    optional={
        "alg": st.one_of(
            st.sampled_from(("none", "None", "nOnE", "HS256", "HS512", "RS256", "ES256", "eddsa")), values
        ),
        "kid": st.one_of(st.sampled_from(("", "k2", "../../dev/null", "k1' OR '1'='1", "/dev/zero", "k1\0")), values),
        "typ": values,
        "crit": values,
        "b64": values,
        "jku": st.just("http://127.0.0.1:1/keys"),
        "jwk": st.builds(dict, st.just(tokens.public_key())),
        "x5u": st.just("http://127.0.0.1:1/certificate"),
        "cty": st.just("JWT"),
        "zip": st.just("DEF"),
    },
)


def told(data: bytes) -> bool:
    """Tell whether a token is let in; fail unless it is refused as one that is not valid."""
    try:
        tokens.parts(data)
    except Unauthenticated:
        return False
    return True


@settings(max_examples=300, deadline=None)
@given(header=headers, changes=claims)
def test_no_header_or_claim_does_more_than_it_says(header: dict[str, Any], changes: dict[str, Any]) -> None:
    right_header, right_claims = map(json.loads, tokens.seed())
    taken = told(json.dumps(right_header | header).encode() + b"\n" + json.dumps(right_claims | changes).encode())
    assert not taken or header.get("alg", "EdDSA") == "EdDSA"


@settings(max_examples=200, deadline=None)
@given(
    field=st.sampled_from([*tokens.public_key(), "key_ops", "d", "n", "e", "x5c"]), value=values, kind=st.integers(0, 2)
)
def test_a_key_with_any_value_is_taken_whole_or_not_at_all(field: str, value: Any, kind: int) -> None:
    entries = [tokens.public_key(), *tokens.others()]
    entries[kind] = entries[kind] | {field: value}
    tokens.key_set(json.dumps({"keys": entries}).encode())


@settings(max_examples=100, deadline=None)
@given(document=values)
def test_a_document_that_is_no_key_set_is_told(document: Any) -> None:
    for made in (document, {"keys": document}, {"keys": [document]}):
        tokens.key_set(json.dumps(made).encode())


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_of_any_odd_value_lets_nobody_in_who_is_not_meant(name: str) -> None:
    for value in ODD:
        told(b"\n".join(tokens.seed(**{name: value})))


WRONG = {
    "no header": b"\n{}",
    "header of a list": b"[]\n{}",
    "nested header": b"[" * 5_000 + b"\n{}",
    "nested claims": tokens.seed()[0] + b"\n" + b'{"tenant":' + b"[" * 5_000,
    "claims of a list": tokens.seed()[0] + b"\n[]",
    "no claims": tokens.seed()[0] + b"\n",
    "number too long for Python": tokens.seed()[0] + b'\n{"exp":' + b"9" * 5_000 + b"}",
    "twice the algorithm": b'{"alg":"none","alg":"HS256","kid":"k1"}\n' + tokens.seed()[1],
}


@pytest.mark.parametrize("data", WRONG.values(), ids=WRONG)
def test_parts_that_are_no_token_are_refused(data: bytes) -> None:
    with pytest.raises(Unauthenticated):
        tokens.parts(data)


@pytest.mark.parametrize(
    "token", ["", ".", "..", "...", "a.b.c", "e30.e30.", "=.=.=", "é.é.é", "e30=.e30=.e30=", "e30.e30"]
)
def test_what_is_not_even_shaped_like_a_token_is_refused(token: str) -> None:
    with pytest.raises(VcciError):
        tokens.check(token)
