"""Keys of a token issuer, the set that tells them, and tokens that they sign."""

import json
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

ISSUER = "https://login.example"
AUDIENCE = "vcci"


@cache
def private_key(algorithm: str, number: int = 0) -> Any:
    """Return a private key; the number tells several apart."""
    return {
        "RS256": lambda: rsa.generate_private_key(65_537, 2_048),
        "RS256 short": lambda: rsa.generate_private_key(65_537, 1_024),
        "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate,
    }[algorithm]()


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """One key of an issuer."""

    algorithm: str
    key_id: str
    number: int = 0

    @property
    def private(self) -> Any:
        """The key that signs."""
        return private_key(self.algorithm, self.number)

    def public(self, **changes: Any) -> dict[str, Any]:
        """Its entry in the set."""
        name = self.algorithm.split()[0]
        entry: dict[str, Any] = json.loads(jwt.get_algorithm_by_name(name).to_jwk(self.private.public_key()))
        return entry | {"kid": self.key_id, "use": "sig", "alg": name} | changes

    def token(self, *, header: dict[str, Any] | None = None, **changes: Any) -> str:
        """A token that is right but for the changes; a claim of None is left out."""
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "tenant": "acme", "roles": ["reader"]}
        given = {"exp": time.time() + 600} | claims | changes
        kept = {name: value for name, value in given.items() if value is not None}
        headers = {"kid": self.key_id} | (header or {})
        return jwt.encode(kept, self.private, self.algorithm.split()[0], headers=headers)


def key_set(*entries: dict[str, Any]) -> bytes:
    """Return a set."""
    return json.dumps({"keys": entries}).encode()
