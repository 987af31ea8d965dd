"""Tokens, their secret, and what is remembered of them."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc.aio
import jwt
import pytest
from vcci_client import AsyncClient, errors
from vcci_client.errors import from_rpc
from vcci_engine.errors import Unauthenticated
from vcci_server.auth import (
    MOST_REMEMBERED,
    Authenticator,
    DevelopmentTokens,
    Means,
    Principal,
    Role,
    load_secret,
    make_token,
    read_claims,
)
from vcci_server.settings import SettingsError

from tests.contract import METHODS, Method
from tests.server_process import ServerProcess

SECRET = "a secret of the tests, long enough"
FAR = 4_102_444_800  # the year 2100
RIGHT = {"sub": "ann", "tenant": "acme", "roles": ["admin"], "exp": FAR}
NEEDED = ("sub", "tenant", "exp")


class Clock:
    """A time that the test sets, and what was asked of the tenants."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked: list[str] = []

    def time(self) -> float:
        return self.now

    async def tenant_id(self, name: str) -> int | None:
        self.asked.append(name)
        return 7 if name.startswith("acme") else None


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def authenticator(clock: Clock) -> Authenticator:
    return Authenticator(DevelopmentTokens(SECRET), clock.tenant_id, clock=clock.time)


async def test_a_checked_token_is_remembered_until_it_expires(authenticator: Authenticator, clock: Clock) -> None:
    token = jwt.encode(RIGHT | {"roles": ["reader", "ours not", "analyst"]}, SECRET)
    assert authenticator.remembered(token) is None
    who = await authenticator.check(token)
    roles = frozenset({Role.READER, Role.ANALYST})
    assert who == Principal(7, "acme", "ann", roles, Means.TOKEN, FAR) == authenticator.remembered(token)
    clock.now = FAR
    assert authenticator.remembered(token) is None


async def test_a_tenant_is_looked_up_once(authenticator: Authenticator, clock: Clock) -> None:
    await authenticator.check(make_token(SECRET, "acme", "ann", 60))
    await authenticator.check(make_token(SECRET, "acme", "bob", 60))
    assert clock.asked == ["acme"]


async def test_a_tenant_that_is_made_later_is_found(authenticator: Authenticator, clock: Clock) -> None:
    for _ in range(2):
        with pytest.raises(Unauthenticated, match="no tenant 'nobody'"):
            await authenticator.check(make_token(SECRET, "nobody", "ann", 60))
    assert clock.asked == ["nobody", "nobody"]


async def test_what_is_remembered_is_bounded(authenticator: Authenticator) -> None:
    first = make_token(SECRET, "acme", "0", 60)
    await authenticator.check(first)
    for number in range(MOST_REMEMBERED):
        await authenticator.check(make_token(SECRET, f"acme{number}", "x", 60))
    assert authenticator.remembered(first) is None


def _without(claim: str) -> str:
    return jwt.encode({name: value for name, value in RIGHT.items() if name != claim}, SECRET)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b.c",
        *(_without(claim) for claim in NEEDED),
        jwt.encode(RIGHT | {"tenant": 7}, SECRET),
        jwt.encode(RIGHT | {"roles": 7}, SECRET),
        jwt.encode(RIGHT | {"exp": 1}, SECRET),
        jwt.encode(RIGHT, SECRET + "!"),
        jwt.encode(RIGHT, SECRET * 2, algorithm="HS512"),
        jwt.encode(RIGHT, "", algorithm="none"),
    ],
    ids=["empty", "no token", *(f"no {claim}" for claim in NEEDED), "tenant", "roles", "old", "key", "HS512", "none"],
)
async def test_a_token_that_is_not_right_is_refused(authenticator: Authenticator, token: str) -> None:
    with pytest.raises(Unauthenticated):
        await authenticator.check(token)


@pytest.mark.parametrize("listed", ["reader uploader", ["uploader", "reader", "reader", 7]])
def test_roles_are_a_list_or_words(listed: object) -> None:
    assert read_claims(RIGHT | {"roles": listed}).roles == {Role.READER, Role.UPLOADER}


def test_a_token_without_roles_has_none() -> None:
    assert not read_claims({"sub": "ann", "tenant": "acme", "exp": FAR}).roles


def test_claims_have_the_names_that_the_issuer_gives_them() -> None:
    claims = read_claims(RIGHT | {"org": "other", "groups": ["reader"]}, tenant="org", roles="groups")
    assert (claims.tenant, claims.roles) == ("other", frozenset({Role.READER}))


def test_no_token_outlives_the_century() -> None:
    assert read_claims(RIGHT | {"exp": 10**400}).expires_at == FAR


async def test_tokens_are_checked_again_when_the_keys_have_changed(authenticator: Authenticator) -> None:
    token = make_token(SECRET, "acme", "ann", 60)
    await authenticator.check(token)
    authenticator.forget()
    assert authenticator.remembered(token) is None


def test_the_secret_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(load_secret, [folder] * 16))
    assert len(found) == 1
    assert len(found.pop()) >= 32
    assert stat.S_IMODE((folder / "token_secret").stat().st_mode) == 0o600
    assert os.listdir(folder) == ["token_secret"]


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    load_secret(tmp_path)
    (tmp_path / "token_secret").chmod(0o640)
    with pytest.raises(SettingsError, match="chmod 600"):
        load_secret(tmp_path)


@pytest.mark.parametrize(
    "tenant", ["\ud800", "default\0", "", "d" * 300], ids=["half a character", "NUL", "empty", "long"]
)
async def test_a_tenant_that_cannot_be_looked_up_is_refused_like_any_other(server: ServerProcess, tenant: str) -> None:
    secret = load_secret(server.state_dir)
    for token in (make_token(secret, tenant, "test", 60), make_token(secret, "default", tenant, 60)):
        async with AsyncClient(server.listening, token) as client:
            with pytest.raises(errors.Unauthenticated):
                await client.get_upload("uploads/1")


LONG = [method for method in METHODS if method.descriptor.client_streaming]


@pytest.mark.parametrize("method", LONG, ids=lambda method: method.name)
async def test_a_call_that_waits_for_its_client_ends_when_the_token_expires(
    server: ServerProcess, method: Method
) -> None:
    token = make_token(load_secret(server.state_dir), "default", "test", 1.5)
    kind = "stream" if method.descriptor.server_streaming else "unary"
    async with server.channel() as channel:
        call = getattr(channel, f"stream_{kind}")(method.path)(metadata=[("authorization", f"Bearer {token}")])
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await (call.read() if kind == "stream" else call)
    assert from_rpc(raised.value).reason == "CREDENTIALS_EXPIRED"
