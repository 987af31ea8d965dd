"""A service that other machines can reach: TLS, client certificates, tokens of an issuer."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from vcci_client import AsyncClient
from vcci_client.channel import TlsFiles
from vcci_client.errors import ClientError, PermissionDenied, Unauthenticated, Unavailable

from tests.certificates import Authority
from tests.server.key_sets import AUDIENCE, ISSUER, IssuerKey, key_set
from tests.server_process import ServerProcess, running_server
from tests.waiting import until

FIRST, SECOND = IssuerKey("ES256", "first"), IssuerKey("ES256", "second", 1)
UPLOADER = """
["uri:spiffe://acme.example/erp"]
tenant = "default"
roles = ["uploader"]
"""
READER = UPLOADER.replace("uploader", "reader")
ROW = {"supplier_code": "S-1", "category": 1, "reporting_period": "2024-Q1", "quantity": 10, "unit": "USD"}


@dataclass(frozen=True)
class Site:
    """The server, and the files that say who may call it."""

    server: ServerProcess
    folder: Path
    authority: Authority

    @property
    def address(self) -> str:
        """Where it is reached: it listens on every interface."""
        return f"https://127.0.0.1:{self.server.listening.rpartition(':')[2]}"

    def tls(self, name: str = "") -> TlsFiles:
        """The client's files: with the certificate of this name, or without any."""
        own = (str(self.folder / f"{name}.pem"), str(self.folder / f"{name}.key")) if name else ()
        return TlsFiles(str(self.folder / "ca.pem"), *own)

    def client(self, name: str = "", token: str = "") -> AsyncClient:
        return AsyncClient(self.address, token, tls=self.tls(name), timeout_s=30)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder, authority = tmp_path_factory.mktemp("identity"), Authority()
    (folder / "ca.pem").write_bytes(authority.pem)
    authority.of_server().write(folder, "server")
    erp = x509.UniformResourceIdentifier("spiffe://acme.example/erp")
    authority.certificate("the ERP system", erp).write(folder, "erp")
    authority.certificate("nobody").write(folder, "nobody")
    (folder / "identities.toml").write_text(UPLOADER)
    (folder / "keys.json").write_bytes(key_set(FIRST.public()))
    args = [
        *("--tls-certificate", folder / "server.pem", "--tls-key", folder / "server.key"),
        *("--tls-client-ca", folder / "ca.pem", "--tls-identities", folder / "identities.toml"),
        *("--jwks", folder / "keys.json", "--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE),
    ]
    with running_server(args=[str(arg) for arg in args], listening="0.0.0.0:0") as server:
        yield Site(server, folder, authority)


async def test_a_certificate_stands_for_its_tenant_and_roles(site: Site) -> None:
    async with site.client("erp") as client:
        summary = await client.upload([ROW | {"factor": "naics:331110"}])
        assert summary.committed == 1
        with pytest.raises(PermissionDenied, match="needs the role reader, analyst, admin"):
            await client.get_dashboard()


async def test_a_certificate_of_nobody_is_nobody(site: Site) -> None:
    async with site.client("nobody") as client:
        with pytest.raises(Unauthenticated, match="nobody is known"):
            await client.get_dashboard()


async def test_a_certificate_of_somebody_is_no_connection_without_it(site: Site) -> None:
    async with site.client() as client:
        with pytest.raises(Unavailable):
            await client.get_dashboard()


async def test_a_token_goes_before_the_certificate(site: Site) -> None:
    async with site.client("erp", FIRST.token(tenant="default", roles=["reader"])) as client:
        assert await client.get_dashboard()
        with pytest.raises(PermissionDenied):
            await client.upload([ROW])


async def test_tokens_for_development_are_not_taken(site: Site) -> None:
    async with site.client("erp", site.server.token()) as client:
        with pytest.raises(Unauthenticated, match="not signed with one of"):
            await client.get_dashboard()


async def test_keys_and_identities_change_without_a_restart(site: Site) -> None:
    token = SECOND.token(tenant="default", roles=["reader"])
    async with site.client("erp", token) as by_token, site.client("erp") as by_certificate:
        with pytest.raises(Unauthenticated):
            await by_token.get_dashboard()
        (site.folder / "keys.json").write_bytes(key_set(SECOND.public()))
        assert await by_token.get_dashboard()
        (site.folder / "identities.toml").write_text(READER)
        assert await until(lambda: _may_read(by_certificate))
        (site.folder / "identities.toml").write_text(UPLOADER)
        await until(lambda: _may_not_read(by_certificate))
    (site.folder / "keys.json").write_bytes(key_set(FIRST.public()))


async def _may_read(client: AsyncClient) -> bool:
    try:
        await client.get_dashboard()
    except PermissionDenied:
        return False
    return True


async def _may_not_read(client: AsyncClient) -> bool:
    return not await _may_read(client)


def test_the_command_takes_the_files_as_options_and_variables(site: Site) -> None:
    tls = site.tls("erp")
    given = ["--ca", tls.ca, "--certificate", tls.certificate, "--key", tls.key]
    listed = vcci("uploads", "list", "--json", "--server", site.address, *given)
    assert listed.returncode == 0, listed.stderr
    assert json.loads(listed.stdout.splitlines()[0])["name"].startswith("uploads/")
    refused = vcci("dashboard", "--server", site.address, *given)
    assert (refused.returncode, "needs the role" in refused.stderr) == (1, True)


def vcci(*args: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", "from vcci_client.cli import main; main()", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


async def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="cannot be read"):
        AsyncClient("https://127.0.0.1:1", tls=TlsFiles(str(tmp_path / "missing.pem")))
