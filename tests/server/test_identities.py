"""Who a client certificate is."""

from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from vcci_engine.errors import Unauthenticated
from vcci_server.auth import Authenticator, Claims, Means, NoTokens, Role
from vcci_server.identities import Identities, read_identities
from vcci_server.settings import SettingsError

from tests.certificates import Authority

CERTIFICATE = Authority().certificate("a")
EXPIRES_AT = x509.load_pem_x509_certificate(CERTIFICATE.certificate).not_valid_after_utc.timestamp()
FILE = """
["dns:b.example"]
tenant = "acme"
roles = ["reader", "analyst"]

["uri:spiffe://c/d"]
tenant = "acme"
roles = ["uploader"]

["subject:CN=a,O=b"]
tenant = "acme"
roles = []
"""


@pytest.fixture
def identities(tmp_path: Path) -> Identities:
    (tmp_path / "identities.toml").write_text(FILE)
    return Identities(str(tmp_path / "identities.toml"))


def peer(**names: list[bytes]) -> dict[str, Any]:
    return {"x509_pem_cert": [CERTIFICATE.certificate]} | names


def test_the_first_kind_of_name_that_is_known_counts(identities: Identities) -> None:
    uploader = Claims("uri:spiffe://c/d", "acme", frozenset({Role.UPLOADER}), EXPIRES_AT)
    assert identities.claims(peer(peer_dns=[b"b.example"], peer_uri=[b"spiffe://c/d"])) == uploader
    reader = identities.claims(peer(peer_dns=[b"x.example", b"b.example"], peer_uri=[b"spiffe://x/y"]))
    assert reader.roles == frozenset({Role.READER, Role.ANALYST})
    assert not identities.claims(peer(x509_subject=[b"CN=a,O=b"])).roles


@pytest.mark.parametrize("names", [{}, {"peer_uri": [b"b.example"]}, {"x509_common_name": [b"dns:b.example"]}])
def test_a_name_of_another_kind_is_another_name(identities: Identities, names: dict[str, list[bytes]]) -> None:
    with pytest.raises(Unauthenticated, match="nobody is known"):
        identities.claims(peer(**names))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[", "end of document"),
        ("['b.example']\ntenant = 'a'\nroles = []", "expected one of uri, dns"),
        ("['dns:b']\ntenant = 'a'", "`roles`, a list"),
        ("['dns:b']\ntenant = 7\nroles = []", "`tenant`, a text"),
        ("['dns:b']\ntenant = 'a'\nroles = ['root']", "reader, uploader, analyst, admin"),
        ("'dns:b' = 1", "`tenant`, a text"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "identities.toml").write_text(text)
    with pytest.raises(SettingsError, match="VCCI_TLS_IDENTITIES") as raised:
        read_identities(str(tmp_path / "identities.toml"))
    assert says in str(raised.value)


async def test_a_certificate_is_nobody_once_it_has_expired(identities: Identities) -> None:
    now = [0.0]
    authenticator = Authenticator(NoTokens(), _seven, certificates=identities, clock=lambda: now[0])
    shown = peer(peer_uri=[b"spiffe://c/d"])
    who = await authenticator.check_peer(shown)
    assert (who.tenant_id, who.means) == (7, Means.CERTIFICATE)
    assert await authenticator.check_peer(shown) is who
    now[0] = EXPIRES_AT
    with pytest.raises(Unauthenticated, match="has expired"):
        await authenticator.check_peer(shown)


async def test_without_identities_no_certificate_is_anybody() -> None:
    authenticator = Authenticator(NoTokens(), _seven)
    for shown in (peer(peer_uri=[b"spiffe://c/d"]), {}):
        with pytest.raises(Unauthenticated):
            await authenticator.check_peer(shown)
    with pytest.raises(Unauthenticated, match="tokens are not taken"):
        await authenticator.check("token")


async def _seven(name: str) -> int:
    return 7
