"""Who checks the tokens and certificates of a server, by its settings."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from vcci_server.auth import Authenticator, DevelopmentTokens, NoTokens, Tokens, load_secret
from vcci_server.identities import Identities
from vcci_server.issuer import Issuer
from vcci_server.keys import KeySet
from vcci_server.settings import Settings, is_loopback
from vcci_server.storage import tenants
from vcci_server.storage.pool import Pool
from vcci_server.tasks import running


@asynccontextmanager
async def opened_authenticator(settings: Settings, pool: Pool) -> AsyncIterator[Authenticator]:
    """Who checks tokens and certificates, by files and keys that are followed."""
    keys = KeySet(settings.jwks) if settings.jwks else None
    identities = Identities(settings.tls_identities) if settings.tls_identities else None
    tenant_id = partial(tenants.tenant_id, pool)
    authenticator = Authenticator(_tokens(settings, keys), tenant_id, certificates=identities)
    async with AsyncExitStack() as stack:
        for source in (keys, identities):
            if source is not None:
                source.on_change = authenticator.forget
                await stack.enter_async_context(running(source.follow()))
        yield authenticator


def _tokens(settings: Settings, keys: KeySet | None) -> Tokens:
    """Return those that are taken: of the issuer, else, on loopback alone, those for development."""
    if keys is not None:
        return _issuer(settings, keys)
    return DevelopmentTokens(secret_of(settings)) if is_loopback("listen", settings.listen) else NoTokens()


def _issuer(settings: Settings, keys: KeySet) -> Issuer:
    return Issuer(
        keys,
        settings.jwt_issuer,
        settings.jwt_audience,
        settings.jwt_skew_s,
        settings.jwt_tenant_claim,
        settings.jwt_roles_claim,
    )


def secret_of(settings: Settings) -> str:
    """Return the key of the tokens."""
    return settings.token_secret or load_secret(settings.state_dir)
