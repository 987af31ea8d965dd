"""Tokens of an identity provider: JSON Web Tokens, signed with one of its keys, for this service."""

from dataclasses import dataclass, replace

import jwt
from vcci_engine.errors import Unauthenticated

from vcci_server.auth import Claims, read_claims
from vcci_server.keys import ALGORITHMS, KeySet


@dataclass(frozen=True, slots=True)
class Issuer:
    """An identity provider; nothing in a token chooses how it is checked, but for which of the keys."""

    keys: KeySet
    name: str
    audience: str
    skew_s: float  # by which clocks may differ
    tenant_claim: str = "tenant"
    roles_claim: str = "roles"

    async def claims(self, token: str) -> Claims:
        """Return what a token says; raise Unauthenticated or an error of PyJWT."""
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in (*ALGORITHMS,):
            raise Unauthenticated(f"the token is not signed with one of {', '.join(ALGORITHMS)}")
        key = await self.keys.find(header.get("kid", ""))
        if key is None:
            raise Unauthenticated("the token is signed with a key that its issuer does not have")
        given = jwt.decode(
            token,
            key,
            algorithms=[key.algorithm_name],
            audience=self.audience,
            issuer=self.name,
            leeway=self.skew_s,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
        claims = read_claims(given, tenant=self.tenant_claim, roles=self.roles_claim)
        return replace(claims, expires_at=claims.expires_at + self.skew_s)
