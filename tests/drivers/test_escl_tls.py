"""An eSCL scanner over HTTPS: its certificate must be known, unless the window says otherwise."""

from __future__ import annotations

import datetime as dt
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge.errors import DeviceAccess
from tests.drivers.escl_rig import Rig, opened, refused, scanner


def certificate(folder: Path, name: str) -> Path:
    """Return a PEM file with a new key and a certificate for 127.0.0.1 that it signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_https_needs_a_certificate_that_is_known(tmp_path: Path) -> None:
    own, other = certificate(tmp_path, "own"), certificate(tmp_path, "other")
    with scanner(tmp_path, certificate=own, sheets=2) as simulator:
        assert simulator.address.startswith("escls://")
        assert refused(simulator.address, DeviceAccess) == "ESC-103"
        assert refused(simulator.address, DeviceAccess, ca=str(other)) == "ESC-103"
        assert refused(simulator.address, DeviceAccess, ca=str(tmp_path / "none.pem")) == "ESC-111"
        opened(simulator.address, insecure=True)
        one = Rig(simulator, ca=str(own))
        one.driver.open()
        assert one.scan(color="color", dpi=150).completed == 2
        one.driver.close()


def test_https_to_what_speaks_none_is_refused(tmp_path: Path) -> None:
    with scanner(tmp_path) as simulator:
        assert refused(simulator.address.replace("escl:", "escls:"), DeviceAccess, insecure=True) == "ESC-103"
