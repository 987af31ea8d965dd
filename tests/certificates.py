"""A certificate authority of the tests' own, and certificates that it signs."""

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its key, as PEM, and where they are written."""

    certificate: bytes
    key: bytes

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write both, each whole or not at all; return certificate and key."""
        paths = folder / f"{name}.pem", folder / f"{name}.key"
        for path, data in zip(paths, (self.certificate, self.key), strict=True):
            new = path.with_suffix(".new")
            new.write_bytes(data)
            new.rename(path)
        return paths


@dataclass(frozen=True)
class Authority:
    """Signs certificates."""

    name: str = "the tests' authority"
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def pem(self) -> bytes:
        """Its own certificate."""
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        return self._signed(self.name, self.key, constraints, [], DAY)[0]

    def certificate(
        self, common_name: str, *names: x509.GeneralName, valid_for: datetime.timedelta = DAY
    ) -> Certificate:
        """Return a certificate for a subject with alternative names."""
        key = ec.generate_private_key(ec.SECP256R1())
        constraints = x509.BasicConstraints(ca=False, path_length=None)
        return Certificate(*self._signed(common_name, key, constraints, names, valid_for))

    def of_server(self) -> Certificate:
        """Return one for a server on this machine."""
        loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        return self.certificate("server", x509.DNSName("localhost"), loopback)

    def _signed(
        self,
        common_name: str,
        key: ec.EllipticCurvePrivateKey,
        constraints: x509.BasicConstraints,
        names: Sequence[x509.GeneralName],
        valid_for: datetime.timedelta,
    ) -> tuple[bytes, bytes]:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(common_name))
            .issuer_name(_name(self.name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY)
            .not_valid_after(now + valid_for)
            .add_extension(constraints, critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        signed = builder.sign(self.key, SHA256())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return signed.public_bytes(Encoding.PEM), pem
