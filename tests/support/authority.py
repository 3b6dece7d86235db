"""A certificate authority of the tests' own: certificates for brokers and windows, good and bad, and its CRL."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Issued:
    """A certificate and its private key, as PEM files."""

    certificate: Path
    key: Path
    serial: int


class Authority:
    """Issues certificates into *folder*; ``ca`` is its own certificate. Days count from now, negative ones are past."""

    def __init__(self, folder: Path, name: str = "hall-ca") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.ca = folder / f"{name}.pem"
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        own = self._builder(self._name, self._key, -30, 3650).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self._write(self.ca, own.sign(self._key, hashes.SHA256()))

    def issue(
        self, name: str, *, file: str = "", hosts: Sequence[str] = (LOOPBACK,), uris: Sequence[str] = (),
        begins: float = -1, ends: float = 365,
    ) -> Issued:  # fmt: skip
        """Return a certificate with *name* as its CN, good for *hosts* (names and IP addresses)."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        others: list[x509.GeneralName] = [_general(host) for host in hosts]
        others += [x509.UniformResourceIdentifier(uri) for uri in uris]
        builder = self._builder(subject, key, begins, ends)
        if others:
            builder = builder.add_extension(x509.SubjectAlternativeName(others), critical=False)
        made = builder.sign(self._key, hashes.SHA256())
        stem = file or name
        issued = Issued(self.folder / f"{stem}.pem", self.folder / f"{stem}.key", made.serial_number)
        self._write(issued.certificate, made)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        issued.key.write_bytes(private)
        issued.key.chmod(0o600)
        return issued

    def revocations(self, *revoked: Issued, file: str = "crl", ends: float = 30) -> Path:
        """Return a CRL that names *revoked*."""
        now = dt.datetime.now(dt.UTC)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self._name)
        builder = builder.last_update(now - dt.timedelta(days=60)).next_update(now + dt.timedelta(days=ends))
        for one in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(one.serial).revocation_date(now)
            builder = builder.add_revoked_certificate(entry.build())
        path = self.folder / f"{file}.pem"
        path.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        return path

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, begins: float, ends: float
    ) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + dt.timedelta(days=begins))
            .not_valid_after(now + dt.timedelta(days=ends))
        )

    @staticmethod
    def _write(path: Path, certificate: x509.Certificate) -> None:
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
