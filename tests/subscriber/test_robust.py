"""The subscriber when something breaks: the broker, the consumer, the network, the access list."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import json
import logging
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge.subscriber import Event, Limits, Login, Subscriber
from edge.subscriber.link import KEEPALIVE_S, RECEIVE_MAXIMUM
from tests.subscriber.fake_window import FakeWindow
from tests.subscriber.test_subscriber import DEADLINE_S, QUICK, connected, seqs, subscriber, take
from tests.support.broker import Broker
from tests.support.wait import wait_until_async


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_nothing_is_lost_when_the_broker_is_killed_and_forgets(broker: Broker, tmp_path: Path) -> None:
    window = FakeWindow()
    got: list[Event] = []

    async def consume(own: Subscriber) -> None:
        async for event in own:
            got.append(event)

    async with subscriber(broker, window, position=tmp_path / "position.json") as own:
        consuming = asyncio.create_task(consume(own))
        for _ in range(3):
            async with window.online(broker.port, health_s=0.5):
                await wait_until_async(lambda: own.connected, DEADLINE_S, "connected again")
                await window.rate(5)
                await wait_until_async(lambda: len(got) == window.head, DEADLINE_S, "all here")
            broker.kill()
            await window.rate(3, send=False)  # accepted, and never seen by the broker
            broker.start()
        async with window.online(broker.port, health_s=0.5):
            await wait_until_async(lambda: window.acknowledged == window.head, 60, "all acknowledged")
        consuming.cancel()
        await asyncio.wait([consuming])
    assert seqs(got) == list(range(1, window.head + 1))


@pytest.mark.slow
async def test_a_slow_consumer_makes_the_broker_wait_and_memory_stays_bounded(shared_broker: Broker) -> None:
    window, most = FakeWindow(), RECEIVE_MAXIMUM
    limits = Limits(queue=10, ack_every_s=0.1, ask_after_s=0.1, ask_every_s=0.2, gap_limit_s=0.3)
    async with window.online(shared_broker.port), subscriber(shared_broker, window, limits=limits) as own:
        await connected(own)
        client = own._link._client  # noqa: SLF001
        assert client is not None
        await window.rate(1_000)
        await wait_until_async(lambda: len(client.messages) >= most - 1, DEADLINE_S, "no more comes")
        assert len(own._intake.ready) == limits.queue  # noqa: SLF001
        assert (await own.request("w03", "pad-1", "evaluate", timeout_s=5)).ok, "replies do not wait behind events"
        events = await take(own, 15)  # each PUBACK lets mosquitto send as many again
        await wait_until_async(lambda: client._paused, DEADLINE_S, "nothing is read")  # noqa: SLF001
        until = time.monotonic() + 2.5 * KEEPALIVE_S
        await wait_until_async(lambda: time.monotonic() > until, DEADLINE_S, "longer than a missing PINGRESP may last")
        for _ in range(985):
            events += await take(own, 1)
            assert len(client.messages) <= most + 1
            assert len(own._intake.ready) <= limits.queue  # noqa: SLF001
        assert own._link._client is client, "the connection lived through all that"  # noqa: SLF001
        assert own.gaps == ()
        own.done()
        await wait_until_async(lambda: window.acknowledged == 1_000, DEADLINE_S, "all acknowledged")
    assert seqs(events) == list(range(1, 1_001))
    assert not any(event.late for event in events)
    assert not any(ack["missing"] for ack in window.acks), "waiting is no reason to ask"


async def test_a_consumer_that_fails_gets_the_event_again(shared_broker: Broker, tmp_path: Path) -> None:
    window, path = FakeWindow(), tmp_path / "position.json"
    async with window.online(shared_broker.port):
        with pytest.raises(LookupError):
            async with subscriber(shared_broker, window, position=path) as own:
                await connected(own)
                await window.rate(4)
                async for event in own:
                    if event.seq == 3:
                        raise LookupError
        assert json.loads(path.read_bytes())["windows"] == {window.full_name: {"epoch": 1, "upto_seq": "2"}}
        await wait_until_async(lambda: window.acknowledged == 2, DEADLINE_S, "two are acknowledged")
        await window.rate(1)
        await window.rate(1, send=False)
        await window.health()
        async with subscriber(shared_broker, window, position=path) as own:
            assert seqs(await take(own, 4)) == [3, 4, 5, 6]


async def test_the_position_survives_a_lost_session(shared_broker: Broker, tmp_path: Path) -> None:
    window, path = FakeWindow(), tmp_path / "position.json"
    async with window.online(shared_broker.port):
        async with subscriber(shared_broker, window, position=path, session_expiry_s=0) as own:
            await connected(own)
            await window.rate(2)
            await take(own, 2)
            own.done()
        await window.rate(3)
        await window.health()
        async with subscriber(shared_broker, window, position=path, session_expiry_s=0) as own:
            assert seqs(await take(own, 3)) == [3, 4, 5]


async def test_the_position_is_safe_before_it_is_acknowledged(
    shared_broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    window, folder = FakeWindow(), tmp_path / "state"
    folder.mkdir()
    async with (
        window.online(shared_broker.port),
        subscriber(shared_broker, window, position=folder / "position.json") as own,
    ):
        await connected(own)
        await window.rate(2)
        folder.rename(tmp_path / "away")
        await take(own, 2)
        own.done()
        await wait_until_async(lambda: "SUB-104" in caplog.text, DEADLINE_S, "the failure is logged")
        assert window.acknowledged == 0
        (tmp_path / "away").rename(folder)
        await wait_until_async(lambda: window.acknowledged == 2, DEADLINE_S, "acknowledged when it is safe")
    assert caplog.text.count("SUB-104") == 1


async def test_a_window_that_sends_again_is_told_again(shared_broker: Broker) -> None:
    window = FakeWindow()
    async with window.online(shared_broker.port), subscriber(shared_broker, window) as own:
        await connected(own)
        await window.rate(2)
        await take(own, 2)
        own.done()
        await wait_until_async(lambda: window.acknowledged == 2, DEADLINE_S, "acknowledged")
        window.acks.clear()
        await window.send(1, 2)
        await wait_until_async(lambda: window.acknowledged == 2, DEADLINE_S, "acknowledged again")


async def test_an_observer_publishes_nothing(shared_broker: Broker) -> None:
    window = FakeWindow()
    async with (
        window.online(shared_broker.port),
        subscriber(shared_broker, window) as judge,
        subscriber(shared_broker, window, name="watcher", observe=True) as own,
    ):
        await connected(own)
        await connected(judge)
        await window.rate(1)
        await window.rate(1, send=False)
        await window.rate(1)
        await take(judge, 3)
        assert seqs(await take(own, 1)) == [1]
        judge.done()
        await wait_until_async(lambda: window.acknowledged == 3, DEADLINE_S, "the judge acknowledged")
    log = shared_broker.log_text()
    assert f"{window.root}/ack/case-system" in log
    assert f"{window.root}/ack/watcher" not in log


async def test_a_broker_that_is_not_there_is_logged_once_and_found_later(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    window = FakeWindow()
    broker.terminate()
    async with subscriber(broker, window) as own:
        await wait_until_async(lambda: "SUB-108" in caplog.text, DEADLINE_S, "the failure is logged")
        broker.start()
        async with window.online(broker.port):
            await connected(own)
            await window.rate(1)
            assert seqs(await take(own, 1)) == [1]
    assert caplog.text.count("SUB-108") == 1
    assert "connected to the broker again" in caplog.text


async def test_leaving_while_the_broker_is_frozen_ends_and_leaves_nothing(broker: Broker) -> None:
    window = FakeWindow()
    broker.freeze()
    async with subscriber(broker, window) as own:
        await asyncio.sleep(0)
        assert not own.connected
    broker.thaw()


async def test_a_bug_of_the_notice_callback_reaches_the_consumer(shared_broker: Broker) -> None:
    window = FakeWindow()

    def buggy(_: object) -> None:
        raise ZeroDivisionError

    async with (
        window.online(shared_broker.port),
        subscriber(shared_broker, window, on_notice=buggy) as own,
    ):
        await connected(own)
        await window.rate(1)
        await window.rate(1, send=False)
        await window.rate(1)
        await take(own, 1)
        with pytest.raises(ZeroDivisionError):
            await take(own, 1)


# --- access list, TLS, socket ------------------------------------------------------------------------------


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
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(
        issuer_name=_name(issuer),
        subject_name=_name(name),
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - datetime.timedelta(hours=1),
        not_valid_after=now + datetime.timedelta(hours=1),
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
