"""The access list against its table: every client, every branch, publishing and hearing, by what really arrives.

mosquitto 2.0 answers every SUBSCRIBE with success, so what counts is what comes.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest

from edge.subscriber.address import Address
from tests.broker.recipe import HALL, Authority, RecipeBroker
from tests.broker.rights import AT_DISTRICT, AT_HALL, ROLES, TABLE, WINDOWS, Principal, topics
from tests.support import mqtt5
from tests.support.broker import HOST
from tests.support.mqtt5 import Client, Will
from tests.support.project import ROOT
from tests.support.wait import wait_until_async

ALLOWED, DENIED = (0x00, 0x10), 0x87  # for QoS 1; behind each 0x87 mosquitto 2.0.11 ends the connection
EVERYTHING = ("#", "hall/#", "+/v1/+/+/sealed/#", "hall/v1/+/+/+/+/+/+", "$share/all/hall/v1/#", "$SYS/#", "$SYS/+/+/+")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    authority.ca("window", "other-hall/w01")
    authority.ca("system", "desk", "stranger")
    authority.ca("bridge", HALL, "other-hall", "stranger")
    return authority


class Party:
    """All principals at one broker, each hearing everything that it may."""

    def __init__(self, broker: RecipeBroker, authority: Authority, principals: Sequence[Principal]) -> None:
        self.broker, self.authority, self.principals = broker, authority, principals
        self.clients: dict[Principal, Client] = {}
        self.heard: dict[Principal, set[tuple[str, bytes]]] = {who: set() for who in principals}

    async def __aenter__(self) -> Party:
        for who in self.principals:
            heard = self.heard[who]
            client = Client(lambda topic, payload, _retain, heard=heard: heard.add((topic, payload)))  # type: ignore[misc]
            await client.connect(HOST, self.broker.port, who.certificate, tls=context(self.authority, who.certificate))
            await client.subscribe([*EVERYTHING, *topics()], qos=0)
            self.clients[who] = client
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self.clients.values():
            await client.close()

    async def all_heard(self) -> None:
        """Return when everything that is on its way has come: an answer comes behind it."""
        for client in self.clients.values():
            await client.subscribe(["hall/nothing"], qos=0)


def context(authority: Authority, certificate: str) -> ssl.SSLContext:
    tls = Address.parse(f"mqtts://{HOST}:1", authority.login(certificate)).tls
    assert tls is not None
    return tls


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize(("at", "principals"), [("hall", AT_HALL), ("district", AT_DISTRICT)])
async def test_everybody_may_do_what_the_table_says_and_nothing_else(
    tmp_path: Path, authority: Authority, at: str, principals: tuple[Principal, ...]
) -> None:
    broker = RecipeBroker(tmp_path / at, authority)
    if at == "district":
        broker.for_halls(HALL, "other-hall")
    with broker:
        async with Party(broker, authority, principals) as party:
            wrong = [said for who in principals async for said in tried(broker, authority, who)]
            await party.all_heard()
    assert not wrong
    everything = {who: [topic for topic in topics() if who.may("write", topic)] for who in principals}
    sent = {(topic, who.certificate.encode()) for who, allowed in everything.items() for topic in allowed}
    assert len(sent) > len(principals) * 5
    for who, heard in party.heard.items():
        assert heard == {(topic, payload) for topic, payload in sent if who.may("read", topic)}, who.certificate


async def tried(broker: RecipeBroker, authority: Authority, who: Principal) -> AsyncIterator[str]:
    """Publish to every topic as *who*; yield what is answered otherwise than the table says."""
    tls = context(authority, who.certificate)
    client = Client(lambda *_: None)
    for topic in topics():
        if not client.connected:
            client = Client(lambda *_: None)
            await client.connect(HOST, broker.port, f"{who.certificate}-p", tls=tls)
        answer = mqtt5.reason(await client.publish(topic, who.certificate.encode()))
        if answer not in (ALLOWED if who.may("write", topic) else (DENIED,)):
            yield f"{who.certificate} publishes {topic}: 0x{answer:02x}"
        if answer == DENIED:
            await client.abort()
    await client.close()


async def test_retained_states_are_for_readers_only(tmp_path: Path, authority: Authority) -> None:
    with RecipeBroker(tmp_path / "hall", authority) as broker:
        window = Client(lambda *_: None)
        await window.connect(HOST, broker.port, "w", tls=context(authority, AT_HALL[0].certificate))
        for topic in topics():
            if AT_HALL[0].may("write", topic):
                assert mqtt5.reason(await window.publish(topic, b"x", retain=True)) in ALLOWED
        async with Party(broker, authority, AT_HALL) as party:
            await party.all_heard()
        await window.close()
    for who, heard in party.heard.items():
        kept = {(topic, b"x") for topic in topics() if AT_HALL[0].may("write", topic) and who.may("read", topic)}
        assert heard == kept, who.certificate


async def test_a_last_will_is_published_only_where_its_owner_may_write(tmp_path: Path, authority: Authority) -> None:
    own, others = f"hall/v1/{WINDOWS[0]}/status", f"hall/v1/{WINDOWS[1]}/status"
    tls = context(authority, AT_HALL[0].certificate)
    with RecipeBroker(tmp_path / "hall", authority) as broker:
        async with Party(broker, authority, AT_HALL[3:4]) as party:
            for topic in (others, own):
                dying = Client(lambda *_: None)
                with suppress(OSError):
                    await dying.connect(HOST, broker.port, "dying", tls=tls, will=Will(topic, b"dead"))
                await dying.abort()
            heard = party.heard[AT_HALL[3]]
            await wait_until_async(lambda: (own, b"dead") in heard, what="the allowed will comes")
    assert heard == {(own, b"dead")}


async def test_who_takes_another_ones_client_id_gets_nothing_of_its_session(
    tmp_path: Path, authority: Authority
) -> None:
    """mosquitto 2.0 ties no client id to a certificate: a window can push another one out, but not hear for it."""
    victim, thief, desk = AT_HALL[1], AT_HALL[0], AT_HALL[5]
    stolen: set[tuple[str, bytes]] = set()
    request = f"hall/v1/{victim.name}/request/id-1/read"
    with RecipeBroker(tmp_path / "hall", authority) as broker:
        async with Party(broker, authority, [desk]) as party:
            first = Client(lambda *_: None)
            tls = context(authority, victim.certificate)
            await first.connect(HOST, broker.port, "hall-edge-test-hall-w02", tls=tls, session_s=60)
            await first.subscribe([f"hall/v1/{victim.name}/request/+/+"])
            await first.abort()
            await wait_until_async(lambda: not first.connected)
            await party.clients[desk].publish(request, b"waits")
            second = Client(lambda topic, payload, _retain: stolen.add((topic, payload)))
            tls = context(authority, thief.certificate)
            await second.connect(HOST, broker.port, "hall-edge-test-hall-w02", tls=tls, session_s=60, clean=False)
            await party.clients[desk].publish(request, b"comes")
            await second.subscribe([f"hall/v1/{thief.name}/status"])
            await second.close()
    assert not stolen


async def test_without_a_certificate_or_with_a_wrong_one_nobody_comes_in(tmp_path: Path, authority: Authority) -> None:
    authority.ca("window", f"{HALL}/stolen")
    kept = {name: context(authority, name) for name in (f"window/{HALL}/stolen", "broker/mqtt.songjiang.example")}
    anonymous = ssl.create_default_context(cafile=str(authority.folder / "ca.pem"))
    old = ssl.create_default_context(cafile=str(authority.folder / "ca.pem"))
    old.load_cert_chain(authority.folder / f"window/{WINDOWS[0]}.pem", authority.folder / f"window/{WINDOWS[0]}.key")
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    stolen, server = kept.values()
    async with AsyncExitStack() as stack:
        broker = RecipeBroker(tmp_path / "hall", authority)
        stack.enter_context(broker)
        assert await comes_in(broker, stolen), "before its revocation"
        authority.ca("revoke", f"window/{HALL}/stolen")
        broker.install("crl.pem")
        broker.restart()
        for name, tls in {"revoked": stolen, "a server's": server, "none": anonymous, "TLS 1.2": old}.items():
            assert not await comes_in(broker, tls), name
        assert not await comes_in(broker, None), "plain"
        assert await comes_in(broker, context(authority, f"window/{WINDOWS[0]}")), "the others go on"


async def test_a_reload_takes_certificate_list_and_rights_but_throws_nobody_out(
    tmp_path: Path, authority: Authority
) -> None:
    authority.ca("window", f"{HALL}/gone")
    gone, other = (context(authority, f"window/{window}") for window in (f"{HALL}/gone", WINDOWS[0]))
    with RecipeBroker(tmp_path / "hall", authority) as broker:
        inside = Client(lambda *_: None)
        await inside.connect(HOST, broker.port, "inside", tls=gone)
        authority.ca("revoke", f"window/{HALL}/gone")
        authority.ca("renew", "broker/mqtt.songjiang.example")
        broker.install("crl.pem")
        broker.install("broker/mqtt.songjiang.example.pem", "broker.pem")
        broker.reload()

        async with asyncio.timeout(10):
            while await comes_in(broker, gone):
                pass
        assert inside.connected, "so a revocation takes a restart"
        client = Client(lambda *_: None)
        await client.connect(HOST, broker.port, "other", tls=other)
        assert client.peer == (authority.folder / "broker/mqtt.songjiang.example.pem").read_text(encoding="ascii")
        await client.close()
        await inside.close()


async def comes_in(broker: RecipeBroker, tls: ssl.SSLContext | None) -> bool:
    client = Client(lambda *_: None)
    try:
        async with asyncio.timeout(5):
            await client.connect(HOST, broker.port, "c", tls=tls)
    except OSError:  # TimeoutError is one
        return False
    finally:
        await client.abort()
    return True


def test_the_guide_shows_this_table() -> None:
    text = (ROOT / "docs/administrator.md").read_text(encoding="utf-8")
    head = f"| below `hall/v1/{{hall}}/{{window}}/` | {' | '.join(ROLES)} |"
    assert head in text
    rows = text.partition(head)[2].partition("\n\n")[0].strip().splitlines()[1:]
    shown = [re.split(r" *\| *", row.strip("| ")) for row in rows]
    assert {branch.strip("`"): dict(zip(ROLES, rights, strict=True)) for branch, *rights in shown} == TABLE
