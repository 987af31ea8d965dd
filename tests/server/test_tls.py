"""TLS of a port: versions, client certificates, and files that change, on a real server and a real port."""

import asyncio
import socket
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio
from vcci_server.settings import Settings, SettingsError
from vcci_server.tls import server_credentials

from tests.certificates import Authority

AUTHORITY, STRANGER = Authority(), Authority("another authority")


@pytest.fixture
def files(tmp_path: Path) -> Settings:
    """Settings with a certificate, signed by the authority."""
    certificate, key = AUTHORITY.of_server().write(tmp_path, "server")
    (tmp_path / "ca.pem").write_bytes(AUTHORITY.pem)
    return Settings(tls_certificate=str(certificate), tls_key=str(key))


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[int]:
    server = grpc.aio.server()
    health = aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    credentials = server_credentials(settings)
    assert credentials is not None
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    yield port
    await server.stop(None)


async def ask(port: int, credentials: grpc.ChannelCredentials) -> bool:
    """Tell whether a new connection is made and answered."""
    async with grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            await stub.Check(health_pb2.HealthCheckRequest(), timeout=30)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                return False
            raise
    return True


def shown(port: int, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2) -> bytes:
    """Return the certificate that the port shows to a client of one version of TLS."""
    context = ssl.create_default_context(cadata=AUTHORITY.pem.decode())
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.set_alpn_protocols(["h2"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that the old versions are old
        context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection(("127.0.0.1", port), timeout=30) as line,
        context.wrap_socket(line, server_hostname="127.0.0.1") as connection,
    ):
        found = connection.getpeercert(binary_form=True)
    assert found is not None
    return found


def replace_file(path: str, data: bytes) -> None:
    Path(path).write_bytes(data)


async def test_versions_before_1_2_are_refused(files: Settings) -> None:
    async with serving(files) as port:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            assert await asyncio.to_thread(shown, port, version)
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await asyncio.to_thread(shown, port, version)


async def test_who_does_not_know_the_authority_does_not_connect(files: Settings) -> None:
    async with serving(files) as port:
        assert await ask(port, grpc.ssl_channel_credentials(AUTHORITY.pem))
        assert not await ask(port, grpc.ssl_channel_credentials(STRANGER.pem))


async def test_a_new_certificate_is_shown_without_a_restart(files: Settings, tmp_path: Path) -> None:
    async with serving(files) as port:
        first = await asyncio.to_thread(shown, port)
        renewed = AUTHORITY.of_server()
        renewed.write(tmp_path, "server")
        second = await asyncio.to_thread(shown, port)
        assert second == ssl.PEM_cert_to_DER_cert(renewed.certificate.decode()) != first
        replace_file(files.tls_certificate, b"half written")
        assert await asyncio.to_thread(shown, port) == second
        replace_file(files.tls_certificate, AUTHORITY.of_server().certificate)  # not of this key
        assert await asyncio.to_thread(shown, port) == second


async def test_a_client_must_show_a_certificate_of_the_authority(files: Settings, tmp_path: Path) -> None:
    client, stranger = (authority.certificate("client") for authority in (AUTHORITY, STRANGER))
    async with serving(replace(files, tls_client_ca=str(tmp_path / "ca.pem"))) as port:
        assert await ask(port, grpc.ssl_channel_credentials(AUTHORITY.pem, client.key, client.certificate))
        assert not await ask(port, grpc.ssl_channel_credentials(AUTHORITY.pem))
        assert not await ask(port, grpc.ssl_channel_credentials(AUTHORITY.pem, stranger.key, stranger.certificate))
        (tmp_path / "ca.pem").write_bytes(STRANGER.pem)
        assert await ask(port, grpc.ssl_channel_credentials(AUTHORITY.pem, stranger.key, stranger.certificate))
        assert not await ask(port, grpc.ssl_channel_credentials(AUTHORITY.pem, client.key, client.certificate))


def test_files_that_do_not_belong_together_are_told_at_the_start(files: Settings, tmp_path: Path) -> None:
    _, other_key = AUTHORITY.of_server().write(tmp_path, "other")
    for wrong in (str(other_key), str(tmp_path / "missing.key")):
        with pytest.raises(SettingsError, match="VCCI_TLS_KEY"):
            server_credentials(replace(files, tls_key=wrong))
