"""Who we are to the broker, and it to us: access lists, TLS, the socket."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge.subscriber import Login, Subscriber
from tests.subscriber.fake_window import FakeWindow
from tests.subscriber.test_subscriber import DEADLINE_S, QUICK, connected, seqs, subscriber, take
from tests.support.broker import Broker
from tests.support.wait import wait_until_async


@pytest.fixture
def strict_broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker that lets nobody read ``sealed`` and nobody write ``ack``."""
    rules = tmp_path / "acl"
    rules.write_text("\n".join(f"topic readwrite hall/v1/+/+/{branch}/#" for branch in ("event", "replayed")))
    with rules.open("a") as file:
        file.write("\ntopic readwrite hall/v1/+/+/status\ntopic readwrite hall/v1/+/+/health\n")
    folder = tmp_path / "strict"
    folder.mkdir()
    with Broker(folder, extra=[f"acl_file {rules}"]) as own:
        yield own


async def test_a_refused_acknowledgement_is_an_error_that_names_the_topic(
    strict_broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    window = FakeWindow()
    async with window.online(strict_broker.port), subscriber(strict_broker, window) as own:
        await connected(own)
        await window.rate(1)
        await take(own, 1)
        own.done()
        await wait_until_async(lambda: "SUB-102" in caplog.text, DEADLINE_S, "the refusal is logged")
        await window.rate(1)
        assert seqs(await take(own, 1)) == [2], "events still come"
    assert f"{window.root}/ack/case-system (reason 0x87)" in caplog.text


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """A private CA with a broker's and a client's certificate."""
    folder = tmp_path / "tls"
    folder.mkdir()
    authority = ec.generate_private_key(ec.SECP256R1())
    _write(folder, "ca", authority, _certificate("ca", authority, "ca", authority, is_ca=True))
    for name in ("broker", "client"):
        key = ec.generate_private_key(ec.SECP256R1())
        _write(folder, name, key, _certificate(name, key, "ca", authority, is_ca=False))
    return folder


async def test_tls_with_a_client_certificate(certificates: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tls-broker"
    folder.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    extra = [
        f"listener {port} 127.0.0.1",
        f"cafile {certificates}/ca.pem",
        f"certfile {certificates}/broker.pem",
        f"keyfile {certificates}/broker.key",
        "require_certificate true",
    ]
    login = Login(
        ca=certificates / "ca.pem",
        certificate=certificates / "client.pem",
        key=certificates / "client.key",
    )
    window = FakeWindow()
    with Broker(folder, extra=extra) as broker:
        async with (
            window.online(broker.port),
            Subscriber(f"mqtts://127.0.0.1:{port}", name="a", hall=window.hall, login=login, limits=QUICK) as own,
        ):
            await connected(own)
            client = own._link._client  # noqa: SLF001
            assert client is not None
            used = client._client.socket()  # noqa: SLF001
            assert isinstance(used, socket.socket)
            assert used.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            await window.rate(1)
            assert seqs(await take(own, 1)) == [1]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho leaves it to the collector
async def test_a_broker_with_another_ca_is_not_trusted(
    certificates: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates / "broker.pem", certificates / "broker.key")
    other = ec.generate_private_key(ec.SECP256R1())
    _write(tmp_path, "other", other, _certificate("other", other, "other", other, is_ca=True))
    async with await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        login = Login(ca=tmp_path / "other.pem")
        async with Subscriber(f"mqtts://127.0.0.1:{port}", name="a", login=login):
            await wait_until_async(lambda: "CERTIFICATE_VERIFY_FAILED" in caplog.text, DEADLINE_S, "logged")


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str, signer: ec.EllipticCurvePrivateKey, *, is_ca: bool
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(
        issuer_name=_name(issuer),
        subject_name=_name(name),
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - dt.timedelta(hours=1),
        not_valid_after=now + dt.timedelta(hours=1),
    )
    parts: list[tuple[Any, bool]] = [(x509.BasicConstraints(ca=is_ca, path_length=None), True), (address, False)]
    for extension, critical in parts:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer, hashes.SHA256())


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _write(folder: Path, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / f"{name}.key").write_bytes(pem)
