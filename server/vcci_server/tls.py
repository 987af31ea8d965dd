"""TLS of the gRPC port: certificate, key, and whose client certificates count, read again when the files change.

gRPC itself takes TLS 1.2 and 1.3 and nothing older.
"""

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

from vcci_server.changing import ChangingFiles
from vcci_server.settings import Settings, SettingsError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where they are; without `client_ca` clients show no certificate."""

    certificate: str
    key: str
    client_ca: str = ""

    def read(self) -> grpc.ServerCertificateConfiguration:
        """Read them; raise OSError (ssl.SSLError is one) when they are not usable or do not belong together."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key, password=lambda: "")  # it asks on the terminal otherwise
        if self.client_ca:
            context.load_verify_locations(self.client_ca)
        root = Path(self.client_ca).read_bytes() if self.client_ca else None
        pair = Path(self.key).read_bytes(), Path(self.certificate).read_bytes()
        return grpc.ssl_server_certificate_configuration([pair], root_certificates=root)


def server_credentials(settings: Settings) -> grpc.ServerCredentials | None:
    """Return the credentials of the port, None without TLS; raise SettingsError when the files are not usable."""
    if not settings.tls_certificate:
        return None
    files = TlsFiles(settings.tls_certificate, settings.tls_key, settings.tls_client_ca)
    watched = ChangingFiles(files.certificate, files.key, *([files.client_ca] if files.client_ca else []))
    watched.have_changed()
    try:
        first = files.read()
    except OSError as error:
        raise SettingsError(f"VCCI_TLS_CERTIFICATE, VCCI_TLS_KEY or VCCI_TLS_CLIENT_CA: {error}") from error

    def newest() -> grpc.ServerCertificateConfiguration | None:
        """Return what each handshake asks for: None is "as before"."""
        if not watched.have_changed():
            return None
        try:
            configuration = files.read()
        except OSError as error:  # half written, perhaps: it is looked at again when it changes again
            logger.warning("the new certificate is not usable, the last one stays: %s", error)
            return None
        logger.info("the certificate has changed")
        return configuration

    return grpc.dynamic_ssl_server_credentials(
        first,
        newest,  # type: ignore[arg-type]  # None is "as before", says its documentation
        require_client_authentication=bool(files.client_ca),
    )
