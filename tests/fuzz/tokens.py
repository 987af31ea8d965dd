"""Tokens and key sets of an identity provider, as somebody may write them who wants to get in."""

import asyncio
import hashlib
import hmac
import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from vcci_server.auth import LATEST, Authenticator, Principal, Role
from vcci_server.issuer import Issuer
from vcci_server.keys import ALGORITHMS, UNREADABLE, Keys, KeySet, read_keys

ISSUER, AUDIENCE, KEY_ID, SKEW_S = "https://login.example", "vcci", "k1", 30.0
SEED = hashlib.sha256(b"a key of the tests, of no other use").digest()


@cache
def private_key() -> Ed25519PrivateKey:
    """The issuer's key, the same in every run."""
    return Ed25519PrivateKey.from_private_bytes(SEED)


@cache
def public_key() -> dict[str, Any]:
    """Its entry in the key set."""
    entry: dict[str, Any] = json.loads(jwt.get_algorithm_by_name("EdDSA").to_jwk(private_key().public_key()))
    return entry | {"kid": KEY_ID, "use": "sig", "alg": "EdDSA"}


class _Keys(KeySet):
    """The issuer's key set, as if it had been read."""

    def __init__(self) -> None:
        super().__init__("keys.json")
        self._keys = read_keys(json.dumps({"keys": [public_key()]}).encode())

    async def _refresh(self, least_age_s: float) -> None:
        return None


async def _tenant_id(name: str) -> int | None:
    assert "\0" not in name
    assert name.encode().decode() == name, "the database can be asked for it"
    return 7 if name == "acme" else None


@cache
def _issuer() -> Issuer:
    return Issuer(_Keys(), ISSUER, AUDIENCE, SKEW_S)


def check(token: str) -> Principal:
    """Return who is let in by a token; fail if that is not somebody whom the claims can mean."""
    who = asyncio.run(Authenticator(_issuer(), _tenant_id).check(token))
    assert who.tenant_id == 7
    assert who.tenant == "acme"
    assert who.subject.encode()
    assert who.subject.isprintable()
    assert who.roles <= frozenset(Role)
    assert math.isfinite(who.expires_at)
    assert who.expires_at <= LATEST + SKEW_S
    return who


def encode(part: bytes) -> str:
    """Return a part of a token."""
    return jwt.utils.base64url_encode(part).decode()


def token_of(header: bytes, claims: bytes) -> str:
    """Return a token of these parts, signed as its header says: by the issuer, with no key, or its public key."""
    signed = f"{encode(header)}.{encode(claims)}"
    return f"{signed}.{encode(_signature(_algorithm(header), signed.encode()))}"


def _algorithm(header: bytes) -> object:
    try:
        found = json.loads(header)
    except (ValueError, RecursionError):
        return None
    return found.get("alg") if isinstance(found, dict) else None


def _signature(algorithm: object, signed: bytes) -> bytes:
    if algorithm == "none":
        return b""
    if isinstance(algorithm, str) and algorithm.startswith("HS"):
        pem = private_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return hmac.digest(pem, signed, "sha256")
    return private_key().sign(signed)


def parts(data: bytes) -> None:
    """A header and claims, divided by a line feed, signed; who is let in has the issuer's algorithm and name."""
    header, _, claims = data.partition(b"\n")
    who = check(token_of(header, claims))
    assert _algorithm(header) == "EdDSA", who
    given = json.loads(claims)
    assert given["iss"] == ISSUER, who
    assert AUDIENCE in given["aud"], who


def key_set(data: bytes) -> None:
    """A key set; what is taken of it are public keys of algorithms that we take."""
    try:
        keys: Keys = read_keys(data)
    except UNREADABLE:
        return
    assert keys
    for key_id, key in keys.items():
        assert isinstance(key_id, str)
        assert key.algorithm_name in ALGORITHMS
        assert key.algorithm_name != "RS256" or key.key.key_size >= 2_048


def seed(**claims: object) -> tuple[bytes, bytes]:
    """Return a header and claims that are right but for the changes."""
    right = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "tenant": "acme", "roles": ["reader"], "exp": 10**10}
    return json.dumps({"alg": "EdDSA", "kid": KEY_ID}).encode(), json.dumps(right | claims).encode()


def write_seeds(folder: Path) -> None:
    """Write small right inputs."""
    header, claims = seed()
    whole = {"token_parts": [header + b"\n" + claims], "issuer_token": [token_of(header, claims).encode()]}
    whole["token_parts"].append(b"\n".join(seed(aud=["others", AUDIENCE], roles="reader admin", nbf=0)))
    whole["key_set"] = [json.dumps({"keys": [public_key(), *others()]}).encode()]
    for name, datas in whole.items():
        (folder / name).mkdir(exist_ok=True)
        for number, data in enumerate(datas):
            (folder / name / str(number)).write_bytes(data)


def others() -> list[dict[str, Any]]:
    """Return public keys of the other kinds: that of RFC 7517 (appendix A.1) on P-256, and an RSA key of 2,048 bits."""
    elliptic = {
        "kty": "EC",
        "crv": "P-256",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
        "use": "sig",
        "kid": "1",
        "alg": "ES256",
    }
    modulus = jwt.utils.base64url_encode(((1 << 2_047) + 0x10001).to_bytes(256)).decode()
    return [elliptic, {"kty": "RSA", "n": modulus, "e": "AQAB", "kid": "2", "alg": "RS256", "key_ops": ["verify"]}]
