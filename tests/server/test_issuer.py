"""Tokens of an identity provider: which are taken, and that every other one is refused."""

import time
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from vcci_engine.errors import Unauthenticated
from vcci_server.auth import Authenticator, Means, Role
from vcci_server.issuer import Issuer
from vcci_server.keys import KeySet

from tests.server.key_sets import AUDIENCE, ISSUER, IssuerKey, key_set

KEYS = {algorithm: IssuerKey(algorithm, f"the {algorithm} key") for algorithm in ("RS256", "ES256", "EdDSA")}
STRANGER = IssuerKey("EdDSA", KEYS["EdDSA"].key_id, number=9)
SKEW_S = 30.0


@pytest.fixture
def authenticator(tmp_path: Path) -> Authenticator:
    file = tmp_path / "keys.json"
    file.write_bytes(key_set(*(key.public() for key in KEYS.values())))
    return Authenticator(Issuer(KeySet(str(file)), ISSUER, AUDIENCE, SKEW_S), _tenant_id)


async def _tenant_id(name: str) -> int | None:
    return {"acme": 7}.get(name)


@pytest.mark.parametrize("algorithm", KEYS)
async def test_a_token_of_each_algorithm_is_taken(authenticator: Authenticator, algorithm: str) -> None:
    who = await authenticator.check(KEYS[algorithm].token(aud=["others", AUDIENCE]))
    assert (who.tenant_id, who.subject, who.roles, who.means) == (7, "ann", frozenset({Role.READER}), Means.TOKEN)


async def test_clocks_may_differ_a_little(authenticator: Authenticator) -> None:
    expired_at = int(time.time()) - 5
    who = await authenticator.check(KEYS["EdDSA"].token(exp=expired_at, nbf=time.time() + 5))
    assert who.expires_at == expired_at + SKEW_S


def _public_pem(key: IssuerKey) -> bytes:
    pem: bytes = key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem


def _signed_with_the_public_key(key: IssuerKey) -> str:
    """The classic: a public key as the secret of HS256."""
    hmac = jwt.get_algorithm_by_name("HS256")
    claims = key.token().split(".")[1]
    header = jwt.utils.base64url_encode(b'{"alg":"HS256","kid":"%s"}' % key.key_id.encode()).decode()
    secret = _public_pem(key)
    signature = hmac.sign(f"{header}.{claims}".encode(), secret)
    return f"{header}.{claims}.{jwt.utils.base64url_encode(signature).decode()}"


def _unsigned(token: str) -> str:
    header = jwt.utils.base64url_encode(b'{"alg":"none"}').decode()
    return f"{header}.{token.split('.')[1]}."


def _altered(token: str) -> str:
    header, _, signature = token.split(".")
    return ".".join((header, KEYS["EdDSA"].token(tenant="another").split(".")[1], signature))


GOOD = KEYS["EdDSA"]
WRONG = {
    "audience": GOOD.token(aud="others"),
    "no audience": GOOD.token(aud=None),
    "issuer": GOOD.token(iss="https://elsewhere.example"),
    "no issuer": GOOD.token(iss=None),
    "no expiry": GOOD.token(exp=None),
    "no subject": GOOD.token(sub=None),
    "an empty subject": GOOD.token(sub=""),
    "a subject with NUL": GOOD.token(sub="ann\0"),
    "a subject of half a character": GOOD.token(sub="ann\ud800"),
    "a subject that is too long": GOOD.token(sub="a" * 256),
    "a tenant with NUL": GOOD.token(tenant="acme\0"),
    "a tenant of half a character": GOOD.token(tenant="\ud800"),
    "no tenant": GOOD.token(tenant=None),
    "unknown tenant": GOOD.token(tenant="nobody"),
    "expired": GOOD.token(exp=time.time() - SKEW_S - 5),
    "not yet": GOOD.token(nbf=time.time() + SKEW_S + 86_400),
    "unknown key": GOOD.token(header={"kid": "another"}),
    "no key": GOOD.token(header={"kid": ""}),
    "a stranger's key": STRANGER.token(),
    "another key's id": GOOD.token(header={"kid": KEYS["ES256"].key_id}),
    "critical header": GOOD.token(header={"crit": ["new"], "new": 1}),
    "public key as secret": _signed_with_the_public_key(KEYS["RS256"]),
    "unsigned": _unsigned(GOOD.token()),
    "altered": _altered(GOOD.token()),
    "other algorithm": jwt.encode({"sub": "ann"}, "a secret that is long enough for it", "HS256"),
    "nested": jwt.utils.base64url_encode(b"[" * 6_000).decode() + ".e30.e30",
}


@pytest.mark.parametrize("token", WRONG.values(), ids=WRONG)
async def test_a_token_that_is_not_right_is_refused(authenticator: Authenticator, token: str) -> None:
    with pytest.raises(Unauthenticated):
        await authenticator.check(token)
    assert authenticator.remembered(token) is None
