"""A broker that has taken an event and does not have it any more: forgotten (N6), or its queue was full (N7).

The PUBACK is no delivery: a registered subscriber names what it misses, and the window sends it again. The same with
the subscriber library and whole daemons stands in ``tests/faults/ledger``.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from edge.delivery.transport import Message
from simulators.mqtt_broker import MqttBroker
from tests.core.sender_rig import Sender, sending
from tests.faults.network.net_rig import BASE, arrived, commit, quick
from tests.support.broker import Broker
from tests.support.wait import wait_until
from tests.support.window import Wiretap

OFFICE = "office"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)


class Reader:
    """A back office in a few lines: it collects events and replays, and acknowledges with what it misses."""

    def __init__(self, tap: Wiretap, sender: Sender) -> None:
        self._tap, self._sender = tap, sender
        sender.on_message = self._pass_on

    def _pass_on(self, message: Message) -> None:
        branch, _, who = message.topic.removeprefix(f"{BASE}/").partition("/")
        if branch in ("ack", "replay"):
            self._sender.replays.heard(branch, who, message.payload)

    @property
    def got(self) -> set[int]:
        """The events it has, live or again."""
        wanted = (f"{BASE}/event/", f"{BASE}/replayed/{OFFICE}")
        return {int(body) for topic, body, _ in list(self._tap.messages) if topic.startswith(wanted)}

    def acknowledge(self, head: int) -> None:
        got = self.got
        missing = [(str(seq), str(seq)) for seq in range(1, head + 1) if seq not in got]
        body = {"epoch": self._sender.outbox.epoch, "upto_seq": str(head), "missing": missing[:1000]}
        self._tap.publish(f"ack/{OFFICE}", body)

    def wait_all(self, count: int) -> None:
        """Acknowledge until nothing is missing and the window has let go of everything."""
        for _ in range(50):
            self.acknowledge(count)
            try:
                wait_until(lambda: len(self.got) == count, 0.5)
                break
            except AssertionError:
                continue
        assert self.got == set(range(1, count + 1))
        self.acknowledge(count)
        wait_until(lambda: self._sender.outbox.depth == 0, what="every row is confirmed")


def test_what_the_broker_acknowledged_and_forgot_comes_when_asked_for(tmp_path: Path) -> None:
    """N6: every third event is acknowledged and told to nobody."""
    moments = random.Random(6)
    with MqttBroker() as broker, sending(tmp_path, broker.port, subscribers=[OFFICE]) as sender:
        tap = Wiretap(broker.port)
        reader = Reader(tap, sender)
        for place in sorted(moments.sample(range(1, 301), 100)):
            broker.fault("forget", topic=f"{BASE}/event/#", nth=place)
        commit(sender, 300)
        sender.wait_brokered(300)
        assert broker.count("forget") > 60
        wait_until(lambda: len(reader.got) == 300 - broker.count("forget"))
        broker.clear()
        reader.wait_all(300)
        tap.close()


def test_a_broker_that_is_killed_and_forgets_all_is_made_up_for(tmp_path: Path) -> None:
    """N6: 20 kills with total loss, while events go on."""
    with MqttBroker() as broker, sending(tmp_path, broker.port, subscribers=[OFFICE]) as sender:
        tap = Wiretap(broker.port)
        reader = Reader(tap, sender)
        for turn in range(20):
            commit(sender, 20, turn * 20 + 1)
            broker.kill()
        sender.wait_brokered(400)
        wait_until(lambda: broker.retained(f"{BASE}/status") == b"online", what="the states are told again")
        wait_until(lambda: any(client != "" for client in broker.clients()))
        reader.wait_all(400)
        tap.close()


def test_what_a_full_queue_dropped_comes_when_asked_for(tmp_path: Path) -> None:
    """N7: mosquitto keeps 100 messages for a subscriber that is away, and drops the rest without a word."""
    folder = tmp_path / "broker"
    folder.mkdir()
    with Broker(folder, extra=["max_queued_messages 100"]) as broker:
        away = Wiretap(broker.port)
        away.close()
        with sending(tmp_path, broker.port, subscribers=[OFFICE]) as sender:
            commit(sender, 500)
            sender.wait_brokered(500)
            tap = Wiretap(broker.port)
            reader = Reader(tap, sender)
            reader.wait_all(500)
            tap.close()


def test_a_puback_alone_lets_nothing_go(tmp_path: Path) -> None:
    """N6: with a subscriber registered a row stays until that one has said so."""
    with MqttBroker() as broker, sending(tmp_path, broker.port, subscribers=[OFFICE]) as sender:
        commit(sender, 100)
        sender.wait_brokered(100)
        assert sender.outbox.depth == 100
        assert len(arrived(broker)) == 100
